"""The argument of every read and write closure: all tables, over one connection, inside one savepoint."""

from __future__ import annotations

from store.sqlite import Connection
from store.tables.alerts import Alerts
from store.tables.anchors import Anchors
from store.tables.approvals import ApprovalTable
from store.tables.audit import Audit
from store.tables.conditions import ConditionTable
from store.tables.cursors import Cursors
from store.tables.deadlines import Deadlines
from store.tables.deliveries import Deliveries
from store.tables.failed_items import FailedItems
from store.tables.inbox import Inbox
from store.tables.messages import Messages
from store.tables.notices import Notices
from store.tables.observed import Observations
from store.tables.operations import Operations
from store.tables.outbox import Outbox
from store.tables.pipeline_calls import PipelineCalls
from store.tables.receivers import Receivers
from store.tables.schedules import Schedules
from store.tables.steps import Steps
from store.tables.subscriptions import Subscriptions


class Transaction:
    """`epoch` grows with every start of the process; a notice that an older epoch was sending may have arrived."""

    def __init__(self, connection: Connection, epoch: int) -> None:
        self.connection = connection
        self.epoch = epoch
        self.inbox = Inbox(connection, epoch)
        self.operations = Operations(connection)
        self.steps = Steps(connection)
        self.approvals = ApprovalTable(connection)
        self.audit = Audit(connection)
        self.anchors = Anchors(connection)
        self.outbox = Outbox(connection)
        self.notices = Notices(connection, epoch)
        self.deliveries = Deliveries(connection)
        self.messages = Messages(connection)
        self.schedules = Schedules(connection)
        self.deadlines = Deadlines(connection)
        self.cursors = Cursors(connection)
        self.observed = Observations(connection)
        self.subscriptions = Subscriptions(connection)
        self.pipeline_calls = PipelineCalls(connection)
        self.receivers = Receivers(connection)
        self.alerts = Alerts(connection)
        self.failed_items = FailedItems(connection)
        self.conditions = ConditionTable(connection)


def epoch(connection: Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    return int(row[0]) if row else 0


def next_epoch(connection: Connection) -> int:
    row = connection.execute(
        "INSERT INTO meta (name, value) VALUES ('epoch', 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
    ).fetchone()
    return int(row[0])
