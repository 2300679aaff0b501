"""`python -m hf_eco2ai`: the script `hf-eco2ai`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
