"""Many workers: leases, pace, tallies, series, and what the provider showed

Revision: 0002
Follows: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# What the earlier release left behind, in today's terms: a claim of then may have left already.
_CARRY_OVER = [
    "INSERT INTO installation (id, beat) VALUES (1, 0)",
    "UPDATE deliveries SET not_before = '1970-01-01 00:00:00.000000' WHERE not_before IS NULL",
    "UPDATE deliveries SET error_code = NULL, reason = NULL WHERE state IN ('queued', 'claimed')",
    "UPDATE deliveries SET state = 'handed_over', handed = claimed WHERE state = 'claimed'",
    "UPDATE deliveries SET handed = claimed WHERE state = 'unknown'",
    # What is over was decided without them; it is not looked up weeks later.
    (
        "UPDATE deliveries SET state = 'held' WHERE state = 'unknown' AND bulletin_id IN"
        " (SELECT id FROM bulletins WHERE state IN ('finished', 'cancelled'))"
    ),
    (
        "UPDATE bulletins SET held_reason = CASE WHEN held_code IS NOT NULL THEN 'refused'"
        " WHEN audience IS NULL THEN 'late' ELSE 'standstill' END WHERE state = 'held'"
    ),
    (
        "INSERT INTO tallies (bulletin_id, state, reason, error_code, n)"
        " SELECT bulletin_id, CASE state WHEN 'handed_over' THEN 'queued' ELSE state END AS state,"
        " reason, error_code, count(*) FROM deliveries"
        " GROUP BY bulletin_id, CASE state WHEN 'handed_over' THEN 'queued' ELSE state END,"
        " reason, error_code"
    ),
]
_CARRY_BACK = [
    "UPDATE deliveries SET state = 'queued' WHERE state = 'claimed'",
    "UPDATE deliveries SET state = 'claimed' WHERE state = 'handed_over'",
    "UPDATE deliveries SET state = 'unknown' WHERE state IN ('held', 'expired')",
    "UPDATE bulletins SET state = 'held' WHERE state = 'paused'",
]


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("restored", sa.DateTime(timezone=True), nullable=True),
        sa.Column("slowest_listing", sa.Double(), nullable=True),
        sa.Column("shared", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "tallies",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bulletin_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tallies")),
    )
    op.create_index(op.f("ix_tallies_bulletin_id"), "tallies", ["bulletin_id"], unique=False)
    op.create_table(
        "hearing",
        sa.Column("sender_id", sa.Integer(), nullable=False),
        sa.Column("heard_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looked", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["sender_id"], ["senders.id"], name=op.f("fk_hearing_sender_id")),
        sa.PrimaryKeyConstraint("sender_id", name=op.f("pk_hearing")),
    )
    op.create_table(
        "explained",
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("reason", sa.String(length=12), nullable=False),
        sa.Column("noted", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sid", name=op.f("pk_explained")),
    )
    op.create_table(
        "outreach",
        sa.Column("sender_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["sender_id"], ["senders.id"], name=op.f("fk_outreach_sender_id")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_outreach_subscriber_id")
        ),
        sa.PrimaryKeyConstraint("sender_id", "subscriber_id", name=op.f("pk_outreach")),
    )
    op.create_index(
        op.f("ix_outreach_sender_id_since"), "outreach", ["sender_id", "since"], unique=False
    )
    op.create_table(
        "pacing",
        sa.Column("sender_id", sa.Integer(), nullable=False),
        sa.Column("next_slot", sa.Double(), nullable=False),
        sa.Column("paused_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pushed_back", sa.Integer(), nullable=False),
        sa.Column("stopped_code", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["sender_id"], ["senders.id"], name=op.f("fk_pacing_sender_id")),
        sa.PrimaryKeyConstraint("sender_id", name=op.f("pk_pacing")),
    )
    op.create_table(
        "series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("made_as", sa.String(length=9), nullable=False),
        sa.Column("period", sa.String(length=4), nullable=False),
        sa.Column("every", sa.Integer(), nullable=False),
        sa.Column("weekdays", sa.String(length=7), nullable=False),
        sa.Column("local_time", sa.Time(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("gap", sa.String(length=5), nullable=False),
        sa.Column("overlap", sa.String(length=6), nullable=False),
        sa.Column("first_date", sa.Date(), nullable=False),
        sa.Column("last_date", sa.Date(), nullable=True),
        sa.Column("planned_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("plan_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_series_author_id")),
        sa.ForeignKeyConstraint(["list_id"], ["lists.id"], name=op.f("fk_series_list_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
    )
    op.create_index(op.f("ix_series_list_id"), "series", ["list_id"], unique=False)
    op.create_index(op.f("ix_series_plan_at"), "series", ["plan_at"], unique=False)
    op.create_table(
        "occurrences",
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("local_time", sa.Time(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bulletin_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["bulletin_id"], ["bulletins.id"], name=op.f("fk_occurrences_bulletin_id")
        ),
        sa.ForeignKeyConstraint(
            ["series_id"], ["series.id"], name=op.f("fk_occurrences_series_id")
        ),
        sa.PrimaryKeyConstraint(
            "series_id", "local_date", "local_time", name=op.f("pk_occurrences")
        ),
        sa.UniqueConstraint("bulletin_id", name=op.f("uq_occurrences_bulletin_id")),
    )
    op.add_column("bulletins", sa.Column("not_after", sa.DateTime(timezone=True), nullable=True))
    op.add_column("bulletins", sa.Column("held_reason", sa.String(length=16), nullable=True))
    op.add_column(
        "bulletins", sa.Column("failures_excused", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column(
        "bulletins",
        sa.Column("uncertain_excused", sa.Integer(), server_default="0", nullable=False),
    )
    op.add_column("bulletins", sa.Column("compared", sa.DateTime(timezone=True), nullable=True))
    # SQLite takes a reference only together with its column.
    op.execute(
        "ALTER TABLE bulletins ADD COLUMN series_id INTEGER CONSTRAINT fk_bulletins_series_id REFERENCES series (id)"
    )
    op.create_index(op.f("ix_bulletins_series_id"), "bulletins", ["series_id"], unique=False)
    op.add_column("deliveries", sa.Column("worker", sa.String(length=36), nullable=True))
    op.add_column("deliveries", sa.Column("lease", sa.DateTime(timezone=True), nullable=True))
    op.add_column("deliveries", sa.Column("handed", sa.DateTime(timezone=True), nullable=True))
    op.add_column("deliveries", sa.Column("looked", sa.DateTime(timezone=True), nullable=True))
    op.add_column("deliveries", sa.Column("repeated", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("ix_deliveries_sid", table_name="deliveries")
    op.create_index(
        "ix_deliveries_sid",
        "deliveries",
        ["sid"],
        unique=False,
        sqlite_where=sa.text("sid IS NOT NULL"),
        postgresql_where=sa.text("sid IS NOT NULL"),
    )
    op.drop_index(op.f("ix_deliveries_bulletin_id_state_id"), table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_state_claimed"), table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_subscriber_id_state"), table_name="deliveries")
    op.create_index(
        "ix_deliveries_of_person",
        "deliveries",
        ["subscriber_id"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'claimed', 'handed_over')"),
        postgresql_where=sa.text("state IN ('queued', 'claimed', 'handed_over')"),
    )
    op.create_index(
        "ix_deliveries_queued",
        "deliveries",
        ["bulletin_id", "sender_id", "not_before", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_deliveries_under_way",
        "deliveries",
        ["state", "bulletin_id", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('claimed', 'handed_over', 'unknown')"),
        postgresql_where=sa.text("state IN ('claimed', 'handed_over', 'unknown')"),
    )
    op.add_column("inbound", sa.Column("answer_sid", sa.String(length=34), nullable=True))
    op.create_index(op.f("ix_inbound_answer_sid"), "inbound", ["answer_sid"], unique=False)
    op.create_index(op.f("ix_status_events_sid"), "status_events", ["sid"], unique=False)
    op.add_column("senders", sa.Column("rate", sa.Double(), nullable=True))
    op.add_column("senders", sa.Column("daily_limit", sa.Integer(), nullable=True))
    op.add_column(
        "subscribers", sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("subscribers", sa.Column("suspended_code", sa.Integer(), nullable=True))
    for statement in _CARRY_OVER:
        op.execute(statement)


def downgrade() -> None:
    for statement in _CARRY_BACK:
        op.execute(statement)
    op.drop_column("subscribers", "suspended_code")
    op.drop_column("subscribers", "suspended_at")
    op.drop_column("senders", "daily_limit")
    op.drop_column("senders", "rate")
    op.drop_index(op.f("ix_status_events_sid"), table_name="status_events")
    op.drop_index(op.f("ix_inbound_answer_sid"), table_name="inbound")
    op.drop_column("inbound", "answer_sid")
    op.drop_index(
        "ix_deliveries_under_way",
        table_name="deliveries",
        sqlite_where=sa.text("state IN ('claimed', 'handed_over', 'unknown')"),
        postgresql_where=sa.text("state IN ('claimed', 'handed_over', 'unknown')"),
    )
    op.drop_index(
        "ix_deliveries_queued",
        table_name="deliveries",
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.drop_index(
        "ix_deliveries_of_person",
        table_name="deliveries",
        sqlite_where=sa.text("state IN ('queued', 'claimed', 'handed_over')"),
        postgresql_where=sa.text("state IN ('queued', 'claimed', 'handed_over')"),
    )
    op.drop_index("ix_deliveries_sid", table_name="deliveries")
    op.create_index("ix_deliveries_sid", "deliveries", ["sid"], unique=False)
    op.create_index(
        op.f("ix_deliveries_subscriber_id_state"),
        "deliveries",
        ["subscriber_id", "state"],
        unique=False,
    )
    op.create_index(
        op.f("ix_deliveries_state_claimed"), "deliveries", ["state", "claimed"], unique=False
    )
    op.create_index(
        op.f("ix_deliveries_bulletin_id_state_id"),
        "deliveries",
        ["bulletin_id", "state", "id"],
        unique=False,
    )
    op.drop_column("deliveries", "repeated")
    op.drop_column("deliveries", "looked")
    op.drop_column("deliveries", "handed")
    op.drop_column("deliveries", "lease")
    op.drop_column("deliveries", "worker")
    op.drop_index(op.f("ix_bulletins_series_id"), table_name="bulletins")
    # Not in a batch: that would make the table anew, and SQLite refuses it once there are deliveries.
    op.drop_column("bulletins", "series_id")
    op.drop_column("bulletins", "compared")
    op.drop_column("bulletins", "uncertain_excused")
    op.drop_column("bulletins", "failures_excused")
    op.drop_column("bulletins", "held_reason")
    op.drop_column("bulletins", "not_after")
    op.drop_table("occurrences")
    op.drop_index(op.f("ix_series_plan_at"), table_name="series")
    op.drop_index(op.f("ix_series_list_id"), table_name="series")
    op.drop_table("series")
    op.drop_table("pacing")
    op.drop_index(op.f("ix_outreach_sender_id_since"), table_name="outreach")
    op.drop_table("outreach")
    op.drop_table("explained")
    op.drop_table("hearing")
    op.drop_index(op.f("ix_tallies_bulletin_id"), table_name="tallies")
    op.drop_table("tallies")
    op.drop_table("installation")
