"""What judges: pins, gates, the sealed measurement, scoring and the verdict."""
