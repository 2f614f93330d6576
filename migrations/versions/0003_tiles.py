"""The ledger's tiles: whole ones are kept, as the source of every proof

Revision: 0003
Follows: 0002
"""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_WIDTH = 256
_SQLITE_TRIGGERS = [
    f"""
    CREATE TRIGGER ledger_tiles_refuse_{verb.lower()} BEFORE {verb} ON ledger_tiles
    BEGIN SELECT RAISE(ABORT, 'ledger tiles cannot be changed or deleted'); END
    """
    for verb in ("UPDATE", "DELETE")
] + [
    """
    CREATE TRIGGER ledger_tiles_refuse_replace BEFORE INSERT ON ledger_tiles
    WHEN EXISTS (SELECT 1 FROM ledger_tiles WHERE level = NEW.level AND idx = NEW.idx)
    BEGIN SELECT RAISE(ABORT, 'ledger tiles cannot be changed or deleted'); END
    """
]
_POSTGRESQL_TRIGGERS = [
    """
    CREATE FUNCTION ledger_tiles_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'ledger tiles cannot be changed or deleted'; END $$
    """,
    """
    CREATE TRIGGER ledger_tiles_refuse_change BEFORE UPDATE OR DELETE ON ledger_tiles
    FOR EACH ROW EXECUTE FUNCTION ledger_tiles_refuse()
    """,
    """
    CREATE TRIGGER ledger_tiles_refuse_truncate BEFORE TRUNCATE ON ledger_tiles
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_tiles_refuse()
    """,
]


def upgrade() -> None:
    tiles = op.create_table(
        "ledger_tiles",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("level", "idx", name=op.f("pk_ledger_tiles")),
    )
    connection = op.get_bind()
    entries = sa.table("ledger_entries", sa.column("idx"), sa.column("leaf_hash"))
    _cut(connection, tiles, 0, sa.select(entries.c.leaf_hash).order_by(entries.c.idx))
    level = 0
    while connection.scalar(sa.select(sa.func.count()).where(tiles.c.level == level)) >= _WIDTH:
        roots = sa.select(tiles.c.root).where(tiles.c.level == level).order_by(tiles.c.idx)
        level += 1
        _cut(connection, tiles, level, roots)
    sqlite = connection.dialect.name == "sqlite"
    for statement in _SQLITE_TRIGGERS if sqlite else _POSTGRESQL_TRIGGERS:
        op.execute(statement)


def _cut(connection, tiles, level, query) -> None:
    """Keep what the ledger already holds as tiles of one level, as far as they are whole."""
    rows = connection.execute(query.execution_options(yield_per=_WIDTH)).scalars()
    for idx, hashes in enumerate(rows.partitions()):
        if len(hashes) == _WIDTH:
            values = {"hashes": b"".join(map(bytes, hashes)), "root": _root(hashes)}
            connection.execute(tiles.insert().values(level=level, idx=idx, **values))


def _root(hashes) -> bytes:
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return hashes[0]


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete", "replace"):
            op.execute(f"DROP TRIGGER ledger_tiles_refuse_{verb}")
    op.drop_table("ledger_tiles")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION ledger_tiles_refuse()")
