"""What a closure gets: every table, over one connection, inside one savepoint."""

from __future__ import annotations

from store.alerts import Alerts
from store.anchors import Anchors
from store.approvals import Approvals
from store.audit import Audit
from store.conditions import Conditions
from store.cursors import Cursors
from store.deadlines import Deadlines
from store.deliveries import Deliveries
from store.failed_items import FailedItems
from store.hooks import Hooks
from store.inbox import Inbox
from store.messages import Messages
from store.notices import Notices
from store.observed import Sightings
from store.operations import Operations
from store.outbox import Outbox
from store.receivers import Receivers
from store.schedules import Schedules
from store.sqlite import Connection
from store.steps import Steps
from store.subscriptions import Subscriptions


class Transaction:
    """`epoch` grows with every start of the process: what an older epoch was sending may have arrived."""

    def __init__(self, connection: Connection, epoch: int) -> None:
        self.connection = connection
        self.epoch = epoch
        self.inbox = Inbox(connection, epoch)
        self.operations = Operations(connection)
        self.steps = Steps(connection)
        self.approvals = Approvals(connection)
        self.audit = Audit(connection)
        self.anchors = Anchors(connection)
        self.outbox = Outbox(connection)
        self.notices = Notices(connection, epoch)
        self.deliveries = Deliveries(connection)
        self.messages = Messages(connection)
        self.schedules = Schedules(connection)
        self.deadlines = Deadlines(connection)
        self.cursors = Cursors(connection)
        self.observed = Sightings(connection)
        self.subscriptions = Subscriptions(connection)
        self.hooks = Hooks(connection)
        self.receivers = Receivers(connection)
        self.alerts = Alerts(connection)
        self.failed_items = FailedItems(connection)
        self.conditions = Conditions(connection)


def epoch(connection: Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    return int(row[0]) if row else 0


def next_epoch(connection: Connection) -> int:
    row = connection.execute(
        "INSERT INTO meta (name, value) VALUES ('epoch', 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
    ).fetchone()
    return int(row[0])
