"""Migrations to this version's schema. A released step is never changed; new steps are added."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from domain.errors import StoreNewer
from store.sqlite import Connection
from store.tables import (
    alerts,
    anchors,
    approvals,
    audit,
    conditions,
    cursors,
    deadlines,
    deliveries,
    failed_items,
    inbox,
    messages,
    notices,
    observed,
    operations,
    outbox,
    pipeline_calls,
    receivers,
    schedules,
    steps,
    subscriptions,
)

STEPS = Migrations("velero-chatops")

_META = ("CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT",)
_FIRST_TABLES = (
    audit,
    anchors,
    inbox,
    operations,
    steps,
    approvals,
    outbox,
    notices,
    deliveries,
    messages,
    schedules,
    deadlines,
    cursors,
    observed,
    subscriptions,
    pipeline_calls,
    receivers,
)

TRIGGERS = {**audit.TRIGGERS, **anchors.TRIGGERS}
"""Triggers by name. They keep the audit log append-only and are checked at every start."""


@STEPS(name="001-tables")
def _tables(db: Database) -> None:
    for statement in (*_META, *(statement for table in _FIRST_TABLES for statement in table.SCHEMA)):
        db.conn.execute(statement)


@STEPS(name="002-alerts")
def _alerts(db: Database) -> None:
    for statement in alerts.SCHEMA:
        db.conn.execute(statement)


@STEPS(name="003-sweep-tries")
def _sweep_tries(db: Database) -> None:
    for statement in notices.SWEEP_TRIES_MIGRATION:
        db.conn.execute(statement)


@STEPS(name="004-failed-items")
def _failed_items(db: Database) -> None:
    for statement in failed_items.SCHEMA:
        db.conn.execute(statement)


@STEPS(name="005-fair-inbox")
def _fair_inbox(db: Database) -> None:
    for statement in inbox.FAIRNESS_MIGRATION:
        db.conn.execute(statement)


@STEPS(name="006-conditions")
def _conditions(db: Database) -> None:
    for statement in conditions.SCHEMA:
        db.conn.execute(statement)


@STEPS(name="007-unconfirmed")
def _unconfirmed(db: Database) -> None:
    operations.unconfirmed(db.conn)


@STEPS(name="008-requests")
def _requests(db: Database) -> None:
    for statement in messages.REQUEST_INDEX:
        db.conn.execute(statement)


@STEPS(name="009-search-not-scan")
def _search_not_scan(db: Database) -> None:
    for statement in (*deadlines.AGE_INDEX, *pipeline_calls.AGE_INDEX, *operations.AGE_INDEXES):
        db.conn.execute(statement)


@STEPS(name="010-search-audit-and-receivers")
def _search_audit_and_receivers(db: Database) -> None:
    for statement in (*audit.ACTION_INDEX, *notices.RECEIVER_INDEX):
        db.conn.execute(statement)


def wrap_database(connection: Connection) -> Database:
    # Plugins would run other code on this connection.
    return Database(connection, execute_plugins=False)


def pending_steps(connection: Connection, steps: Migrations) -> tuple[str, ...]:
    return tuple(step.name for step in steps.pending(wrap_database(connection)))


def refuse_newer(connection: Connection, steps: Migrations) -> bool:
    """Return whether any step was applied before. Raises StoreNewer if the file has steps that this version doesn't know."""
    db = wrap_database(connection)
    applied = [step.name for step in steps.applied(db)]
    known = {step.name for step in steps.pending(db)} | {step.name for step in _all(steps)}
    if unknown := [name for name in applied if name not in known]:
        raise StoreNewer(
            "The database was written by a newer version of the bot.",
            why=f"It contains migrations that this version doesn't know: {', '.join(unknown)}.",
            fix="Start the newer version, or restore the backup made before the upgrade.",
        )
    return bool(applied)


def _all(steps: Migrations) -> list[Migrations._Migration]:
    return steps._migrations  # noqa: SLF001 - the library has no public list of its steps


def migrate(connection: Connection, steps: Migrations) -> None:
    """Apply all pending steps or none, in one transaction: a crash leaves the old schema."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        steps.apply(wrap_database(connection))
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def restore_triggers(connection: Connection) -> tuple[str, ...]:
    """Recreate triggers that are missing or differ, and return their names: `transform` drops them, or an attacker."""
    found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall())
    changed = tuple(name for name, text in TRIGGERS.items() if found.get(name) != text)
    for name in changed:
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        connection.execute(TRIGGERS[name])
    return changed
