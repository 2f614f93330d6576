"""The verifiable log: entries, Merkle tree, signed checkpoints, bundles and their verification.

Nothing here knows a database, a web framework or the rest of Broadcaster, so that an auditor can
read and run it alone: the standard library and `cryptography` are all it needs.
"""
