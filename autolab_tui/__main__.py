"""`python -m autolab_tui` is the same command as `autolab`."""

import sys

from autolab_tui.cli import main

if __name__ == "__main__":
    sys.exit(main())
