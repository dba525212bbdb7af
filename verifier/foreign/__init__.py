"""Tasks of somebody else's: Harbor's format, judged by their own `tests/test.sh`.

They get the strongest seal that the format permits (docs/verifier.md says which), and every verdict
says that the task itself held the clock: `seal.timed_by` is "task".
"""
