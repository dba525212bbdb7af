"""Device code as an artifact: how kernels are launched, and what they may write to."""
