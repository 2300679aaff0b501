"""`python -m eco2`: the command `eco2`."""

from ._command import main

if __name__ == "__main__":
    raise SystemExit(main())
