"""What auditors ask for: an index to search the ledger by, verifications, exports, checkpoints summed

Revision: 0005
Follows: 0004
"""

import hashlib
import json
from datetime import UTC

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_AT_ONCE = 5_000


def upgrade() -> None:
    _make_index()
    op.create_table(
        "verification",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("began", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked", sa.DateTime(timezone=True), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("erased", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("broken", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_verification_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification")),
    )
    op.execute(
        "INSERT INTO verification (id, size, erased, found, findings) VALUES (1, 0, 0, 0, '')"
    )
    op.create_table(
        "exports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("form", sa.String(length=8), nullable=False),
        sa.Column("chosen", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("worker", sa.String(length=36), nullable=True),
        sa.Column("lease", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=True),
        sa.Column("file", sa.String(length=80), nullable=True),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_exports_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )
    op.create_index(op.f("ix_exports_state_id"), "exports", ["state", "id"], unique=False)
    _sum_checkpoints()


def _make_index() -> None:
    """Make the index, and file the entries that are there."""
    facets = op.create_table(
        "ledger_facets",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("list", sa.String(length=200), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_facets")),
    )
    index = op.create_table(
        "ledger_index",
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("facet", sa.BigInteger(), nullable=False),
        sa.Column("recorded", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("idx", name=op.f("pk_ledger_index")),
    )
    connection, known = op.get_bind(), {}
    entries = sa.table(
        "ledger_entries",
        sa.column("idx", sa.BigInteger()),
        sa.column("leaf", sa.LargeBinary()),
        sa.column("recorded", sa.DateTime(timezone=True)),
    )
    after = -1
    while rows := connection.execute(
        sa.select(entries).where(entries.c.idx > after).order_by(entries.c.idx).limit(_AT_ONCE)
    ).all():
        after = rows[-1].idx
        filed = []
        for row in rows:
            facet = _facet(bytes(row.leaf))
            number = _number(facet)
            known[number] = facet
            filed.append({"idx": row.idx, "facet": number, "recorded": row.recorded})
        connection.execute(index.insert(), filed)
    names = ("event", "list", "method", "actor")
    for number, facet in known.items():
        connection.execute(
            facets.insert().values(id=number, **dict(zip(names, facet, strict=True)))
        )
    op.create_index(
        op.f("ix_ledger_index_facet_recorded_idx"), "ledger_index", ["facet", "recorded", "idx"]
    )
    op.create_index(op.f("ix_ledger_index_recorded_idx"), "ledger_index", ["recorded", "idx"])


def _facet(leaf):
    """Repeat what storage/filing.py did at this revision; a migration does not follow the code."""
    try:
        value = json.loads(leaf)
        if "kind" in value:
            return (f"document {value['kind']}"[:32], "", "", "")
        return (
            str(value["event"])[:32],
            str(value["list"])[:200],
            str(value["method"])[:32],
            str(value["actor"])[:200],
        )
    except (ValueError, KeyError, TypeError):
        return ("unreadable", "", "", "")


def _number(facet) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(facet).encode()).digest()[:8], "big") >> 1


def _sum_checkpoints() -> None:
    """Give every checkpoint a sum over all that is in its row."""
    connection = op.get_bind()
    op.add_column("checkpoints", sa.Column("sum", sa.LargeBinary(length=32), nullable=True))
    table = sa.table(
        "checkpoints",
        sa.column("size", sa.BigInteger()),
        sa.column("note", sa.Text()),
        sa.column("created", sa.DateTime(timezone=True)),
        sa.column("sum", sa.LargeBinary()),
    )
    for row in connection.execute(sa.select(table.c.size, table.c.note, table.c.created)).all():
        moment = row.created.replace(tzinfo=None)
        if row.created.tzinfo is not None:
            moment = row.created.astimezone(UTC).replace(tzinfo=None)
        text = f"{row.size}\n{moment.isoformat(' ', 'microseconds')}\n{row.note}"
        digest = hashlib.sha256(text.encode()).digest()
        connection.execute(table.update().where(table.c.size == row.size).values(sum=digest))
    with op.batch_alter_table("checkpoints") as batch:
        batch.alter_column("sum", existing_type=sa.LargeBinary(length=32), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("checkpoints") as batch:
        batch.drop_column("sum")
    op.drop_index(op.f("ix_exports_state_id"), table_name="exports")
    op.drop_table("exports")
    op.drop_table("verification")
    op.drop_index(op.f("ix_ledger_index_recorded_idx"), table_name="ledger_index")
    op.drop_index(op.f("ix_ledger_index_facet_recorded_idx"), table_name="ledger_index")
    op.drop_table("ledger_index")
    op.drop_table("ledger_facets")
