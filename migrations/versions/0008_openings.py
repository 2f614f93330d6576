"""What an audience can be derived from again, and who opened whose evidence

Revision: 0008
Follows: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_REFUSED = "openings cannot be changed or deleted"
_SQLITE_TRIGGERS = [
    f"""
    CREATE TRIGGER openings_refuse_{verb.lower()} BEFORE {verb} ON openings
    BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END
    """
    for verb in ("UPDATE", "DELETE")
] + [
    """
    CREATE TRIGGER openings_refuse_replace BEFORE INSERT ON openings
    WHEN EXISTS (SELECT 1 FROM openings WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'openings cannot be changed or deleted'); END
    """
]
_POSTGRESQL_TRIGGERS = [
    f"""
    CREATE FUNCTION openings_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '{_REFUSED}'; END $$
    """,
    """
    CREATE TRIGGER openings_refuse_change BEFORE UPDATE OR DELETE ON openings
    FOR EACH ROW EXECUTE FUNCTION openings_refuse()
    """,
    """
    CREATE TRIGGER openings_refuse_truncate BEFORE TRUNCATE ON openings
    FOR EACH STATEMENT EXECUTE FUNCTION openings_refuse()
    """,
]


def upgrade() -> None:
    op.add_column("bulletins", sa.Column("ledger_size", sa.BigInteger(), nullable=True))
    op.add_column("bulletins", sa.Column("channels", sa.String(length=40), nullable=True))
    op.create_table(
        "openings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("is_full", sa.Boolean(), nullable=False),
        sa.Column("form", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_openings")),
    )
    op.create_index(op.f("ix_openings_subject_id"), "openings", ["subject", "id"])
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _SQLITE_TRIGGERS if sqlite else _POSTGRESQL_TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete", "replace"):
            op.execute(f"DROP TRIGGER openings_refuse_{verb}")
    op.drop_index(op.f("ix_openings_subject_id"), table_name="openings")
    op.drop_table("openings")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION openings_refuse()")
    op.drop_column("bulletins", "channels")
    op.drop_column("bulletins", "ledger_size")
