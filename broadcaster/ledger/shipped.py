"""The programs that every bundle carries, so that it can be verified where there is nothing of ours."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

# In the order in which each needs only those before it.
_PARTS = (
    "refusal", "signatures", "notes", "tree", "rules", "container", "histories", "steps",
    "evidence", "kinds", "program",
)  # fmt: skip
# What the modules import of each other, and what only the beginning of a file may import.
_OWN_IMPORT = re.compile(
    r"^from (?:broadcaster\.[a-z.]+|__future__) import (?:\([^)]*\)|[^(\n]*)\n", re.MULTILINE
)
_HEAD = '''"""Verifies a consent ledger: Python 3.9 or newer, this one file, no network, no packages.

    python3 ledger.zip                                   straight from the bundle
    python3 ledger.zip evidence.json                     an evidence pack, with the bundle's verifier
    python3 verify.py ledger.zip --vkey KEY --since OLD  with what you kept from elsewhere

A verifier that comes out of the thing it verifies proves nothing to whoever suspects the maker:
who forges the one forges the other. Then take this file, and the log's key, from elsewhere. It is
joined from broadcaster/ledger/standalone/ in Broadcaster's source; MIT licence.
"""

from __future__ import annotations

'''
_TAIL = """

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""

#: Lets ``python3 ledger.zip`` verify the very file it runs from.
STARTER = b"""\
# Run as "python3 ledger.zip": verifies the bundle that this file is in.
import sys

import verify

sys.exit(verify.main(sys.argv))
"""


@cache
def verifier() -> bytes:
    """Give the verifier that needs nothing but Python, as it is put into bundles: one file."""
    folder = Path(__file__).with_name("standalone")
    parts = [(folder / f"{name}.py").read_text(encoding="utf-8") for name in _PARTS]
    joined = "\n\n".join(_OWN_IMPORT.sub("", part).strip() + "\n" for part in parts)
    return (_HEAD + joined + _TAIL).encode("utf-8")


def remark(found: bytes) -> str | None:
    """Say what is to be said of the verifier in a bundle; nothing if it is ours."""
    if found == verifier():
        return None
    return (
        "the verify.py inside is not the one of this version; another version wrote the bundle, or "
        "somebody changed it. It was not run here. Its SHA-256 is "
        f"{hashlib.sha256(found).hexdigest()}"
    )
