"""`python -m genkeras` is the `genkeras` command."""

import sys

from genkeras.cli import main

if __name__ == "__main__":
    sys.exit(main())
