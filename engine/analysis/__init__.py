"""What sessions and runs amount to: pure functions of the folded state.

docs/analysis.md defines every figure and names its source. Whatever is drawn at random is drawn
from a fixed seed, so that the same journal gives the same figures.
"""
