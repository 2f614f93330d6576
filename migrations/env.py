"""Run migrations over a connection that the program hands in."""

from alembic import context

from broadcaster.storage.models import Base
from broadcaster.storage.models.base import UtcDateTime

connection = context.config.attributes["connection"]


def _render(kind: str, item: object, _autogen: object) -> str | bool:
    """Write our own types as the plain ones below them: a migration outlives the code."""
    return (
        "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False
    )


context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
