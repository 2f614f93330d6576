"""How many bulletins in a row did not reach a person

Revision: 0004
Follows: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "subscribers", sa.Column("unreached", sa.Integer(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("subscribers", "unreached")
