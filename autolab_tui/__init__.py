"""What the operator sees: the Textual app and the `autolab` command line."""

__version__ = "0.1.0"
