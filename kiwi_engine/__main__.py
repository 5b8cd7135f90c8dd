"""`python -m kiwi_engine` is the same as `kiwi-engine` (glue)."""

import sys

from kiwi_engine.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
