"""What is measured, by Prometheus' conventions."""

from prometheus_client import Counter, Gauge, Histogram

COMMANDS = Counter("velero_chatops_commands_total", "Commands worked on", ["source", "noun", "outcome"])
REQUESTS_REFUSED = Counter("velero_chatops_requests_refused_total", "Requests that failed at the door", ["why"])
ACK_SECONDS = Histogram(
    "velero_chatops_ack_seconds",
    "Until Slack had its acknowledgement, after the commit",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3),
)
INBOX_WAITING = Gauge("velero_chatops_inbox_waiting", "Commands accepted and not yet done")
LOOP_FAILURES = Counter("velero_chatops_loop_failures_total", "Rounds of supervised loops that failed", ["loop"])
FAILED_ITEMS = Gauge("velero_chatops_failed_items", "Items that failed and were set aside", ["kind"])
WATCH_OK = Gauge("velero_chatops_watch_ok", "1 while a kind of a cluster is followed", ["cluster", "kind"])
EVENTS = Counter("velero_chatops_events_total", "Events told by tracking", ["cluster", "kind"])
NOTICES = Counter("velero_chatops_notices_total", "Notices by outcome", ["receiver", "outcome"])
NOTICES_PENDING = Gauge("velero_chatops_notices_pending", "Notices not yet sent")
LAST_SUCCESS = Gauge(
    "velero_chatops_backup_last_success_timestamp_seconds", "Last good backup", ["cluster", "schedule"]
)
READY = Gauge("velero_chatops_ready", "1 when every part is ready")
SLACK_CONNECTIONS = Gauge("velero_chatops_slack_connections", "Open connections of Socket Mode")
