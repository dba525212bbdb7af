"""The GPUs of this machine: what they do, and who has which."""
