"""What looks after sessions and the engine: alarms, health, news for the operator, the trace."""
