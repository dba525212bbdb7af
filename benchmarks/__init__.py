"""What the engine costs, measured: `make bench`, or `python -m benchmarks NAME ...`.

Nothing here is part of the wheel and nothing asserts a time; docs/performance.md has the figures.
"""
