"""``python -m broadcaster`` does what ``broadcaster`` does."""

from __future__ import annotations

import sys

from broadcaster.cli import main

if __name__ == "__main__":
    sys.exit(main())
