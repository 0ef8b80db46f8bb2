"""The words of the command language that belong to no single verb: nouns, verb aliases, and the flags that all verbs share.

The parser and the verbs both read them, so this module imports no verb.
"""

from __future__ import annotations

from commands.grammar.flags import BOOL, FREE_TEXT, OPTIONAL_BOOL, STICKY_BOOL, TEXT, Flag

NOUNS = {
    "backup": "backup",
    "backups": "backup",
    "restore": "restore",
    "restores": "restore",
    "schedule": "schedule",
    "schedules": "schedule",
    "sched": "schedule",
    "backup-location": "backup-location",
    "backup-locations": "backup-location",
    "bsl": "backup-location",
    "snapshot-location": "snapshot-location",
    "snapshot-locations": "snapshot-location",
    "vsl": "snapshot-location",
    "repo": "repo",
    "repos": "repo",
    "plugin": "plugin",
    "plugins": "plugin",
    "cluster": "cluster",
    "clusters": "cluster",
    "status": "status",
    "whoami": "whoami",
    "version": "version",
    "check": "check",
    "audit": "audit",
    "doctor": "doctor",
    "subscribe": "subscribe",
    "unsubscribe": "unsubscribe",
    "install": "install",
    "uninstall": "uninstall",
    "debug": "debug",
    "client": "client",
    "completion": "completion",
}
"""Word as typed → noun."""

VERB_WORDS = {
    "create": "create",
    "get": "get",
    "list": "get",
    "ls": "get",
    "describe": "describe",
    "show": "describe",
    "logs": "logs",
    "log": "logs",
    "delete": "delete",
    "rm": "delete",
    "pause": "pause",
    "unpause": "resume",
    "resume": "resume",
    "set": "set",
    "edit": "edit",
    "skip": "skip",
    "unskip": "unskip",
    "run": "run",
    "calendar": "calendar",
    "cancel": "cancel",
    "default": "default",
    "download": "download",
    "plan": "plan",
    "add": "add",
    "remove": "remove",
}
"""Word as typed → verb. A word that is missing here may still be a verb of one noun."""

REFUSED_FLAGS = {
    "namespace": "Velero's namespace comes from the bot's settings.",
    "kubeconfig": "Clusters come from the bot's settings; credentials can't be passed in Slack.",
    "kubecontext": "Clusters come from the bot's settings.",
}

SHARED_FLAGS: tuple[Flag, ...] = (
    Flag(
        "cluster", TEXT, "Cluster. Default: the cluster of this channel", group="Cluster", ours=True, source="clusters"
    ),
    Flag(
        "dry-run",
        STICKY_BOOL,
        "Show the plan and whether it's allowed, without changing anything",
        group="Output",
        ours=True,
    ),
    Flag("reason", FREE_TEXT, "Reason; shown in the audit log", group="Audit", ours=True),
    Flag(
        "break-glass",
        FREE_TEXT,
        "Run without approval and give the reason; everyone concerned is notified and someone else reviews it",
        group="Audit",
        ours=True,
    ),
    Flag("confirm", BOOL, "Accepted but ignored: deletions always ask for confirmation", group="Other", hidden=True),
    Flag("namespace", TEXT, "Not available", short="n", hidden=True),
    Flag("kubeconfig", TEXT, "Not available", hidden=True),
    Flag("kubecontext", TEXT, "Not available", hidden=True),
    Flag("features", TEXT, "Accepted but ignored", hidden=True),
    Flag("colorized", OPTIONAL_BOOL, "Accepted but ignored", hidden=True),
)
