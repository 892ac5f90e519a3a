"""``python -m tests.tools.mutations``: random mutations of the catalogue, tried."""

import sys

from tests.tools.mutations.trials import main

if __name__ == "__main__":
    sys.exit(main())
