"""Plots as lines of roles: exact decimation, braille dots, round ticks. Pure functions."""
