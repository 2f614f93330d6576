"""Forgetting people: erasures, what the provider still holds, and whom no import may add

Revision: 0006
Follows: 0005
"""

import sqlalchemy as sa
from alembic import op

from broadcaster.storage.models.base import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=12), nullable=False),
        sa.Column("begun", UtcDateTime(), nullable=False),
        sa.Column("changed", UtcDateTime(), nullable=False),
        sa.Column("trouble", sa.String(length=40), nullable=True),
        sa.Column("leaf", sa.Integer(), nullable=True),
        sa.Column("leaf_version", sa.Integer(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_erasures_subscriber_id")
        ),
        sa.PrimaryKeyConstraint("subscriber_id", name=op.f("pk_erasures")),
    )
    op.create_index(op.f("ix_erasures_stage"), "erasures", ["stage"])
    op.create_table(
        "removals",
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_removals_subscriber_id")
        ),
        sa.PrimaryKeyConstraint("sid", name=op.f("pk_removals")),
    )
    op.create_index(op.f("ix_removals_subscriber_id"), "removals", ["subscriber_id"])
    op.create_index(op.f("ix_removals_not_before"), "removals", ["not_before"])
    op.create_table(
        "suppressions",
        sa.Column("mark", sa.LargeBinary(length=32), nullable=False),
        sa.Column("event", sa.String(length=24), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "key_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=16), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_key_state_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_state")),
    )
    op.execute("INSERT INTO key_state (id, generation, epoch) VALUES (1, 0, 0)")
    op.add_column("subscribers", sa.Column("key_leaf", sa.Integer(), nullable=True))
    op.create_index(op.f("ix_subscribers_key_leaf"), "subscribers", ["key_leaf"])
    op.add_column("subscribers", sa.Column("erased_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("subscribers", "erased_at")
    op.drop_index(op.f("ix_subscribers_key_leaf"), table_name="subscribers")
    op.drop_column("subscribers", "key_leaf")
    op.drop_table("key_state")
    op.drop_table("suppressions")
    op.drop_table("removals")
    op.drop_table("erasures")
