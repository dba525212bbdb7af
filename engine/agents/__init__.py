"""Who works in a session: scripted agents without a model, and the loop around a model."""
