"""The isolation that agents and measurements run in."""
