"""Prometheus metrics. Outside systems use the names: they don't change."""

from prometheus_client import Counter, Gauge, Histogram

COMMANDS = Counter("velero_chatops_commands_total", "Commands processed", ["source", "noun", "outcome"])
REQUESTS_REFUSED = Counter("velero_chatops_requests_refused_total", "Requests rejected before processing", ["why"])
ACK_SECONDS = Histogram(
    "velero_chatops_ack_seconds",
    "Seconds until the acknowledgement to Slack",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3),
)
INBOX_WAITING = Gauge("velero_chatops_inbox_waiting", "Commands accepted and not finished")
LOOP_FAILURES = Counter("velero_chatops_loop_failures_total", "Failed iterations of background loops", ["loop"])
FAILED_ITEMS = Gauge("velero_chatops_failed_items", "Failed items that wait for a retry", ["kind"])
WATCH_OK = Gauge("velero_chatops_watch_ok", "1 while objects of this kind are watched", ["cluster", "kind"])
EVENTS = Counter("velero_chatops_events_total", "Events detected in clusters", ["cluster", "kind"])
NOTICES = Counter("velero_chatops_notices_total", "Notifications by outcome", ["receiver", "outcome"])
NOTICES_PENDING = Gauge("velero_chatops_notices_pending", "Notifications waiting to be sent")
LAST_SUCCESS = Gauge(
    "velero_chatops_backup_last_success_timestamp_seconds", "Time of the last Completed backup", ["cluster", "schedule"]
)
READY = Gauge("velero_chatops_ready", "1 when all parts of the bot are ready")
SLACK_CONNECTIONS = Gauge("velero_chatops_slack_connections", "Open Socket Mode connections")
