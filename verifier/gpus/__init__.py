"""GPUs as the verifier and its sandboxes see them: which there are, and what one is made of."""
