"""What screens say of a state, as plain values and lines of roles; nothing of Textual."""
