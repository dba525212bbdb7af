"""The keeper: the small process that owns agent sandboxes and outlives the engine."""
