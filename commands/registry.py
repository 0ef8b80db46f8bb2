"""Every verb there is. Built by hand, in the order in which help lists it."""

from __future__ import annotations

from commands.backup.cancel import CANCEL as BACKUP_CANCEL
from commands.backup.create import CREATE as BACKUP_CREATE
from commands.backup.delete import DELETE as BACKUP_DELETE
from commands.backup.describe import DESCRIBE as BACKUP_DESCRIBE
from commands.backup.get import GET as BACKUP_GET
from commands.backup.logs import LOGS as BACKUP_LOGS
from commands.backup_location.create import CREATE as BACKUP_LOCATION_CREATE
from commands.backup_location.delete import DELETE as BACKUP_LOCATION_DELETE
from commands.backup_location.get import GET as BACKUP_LOCATION_GET
from commands.backup_location.set import DEFAULT as BACKUP_LOCATION_DEFAULT
from commands.backup_location.set import SET as BACKUP_LOCATION_SET
from commands.general.audit import AUDIT
from commands.general.check import CHECK
from commands.general.doctor import DOCTOR
from commands.general.status import CLUSTER_GET, STATUS
from commands.general.subscribe import SUBSCRIBE, UNSUBSCRIBE
from commands.general.unsupported import ELSEWHERE
from commands.general.version import VERSION
from commands.general.whoami import WHOAMI
from commands.grammar.flags import BOOL, FREE_TEXT, OPTIONAL_BOOL, STICKY_BOOL, TEXT, Flag
from commands.grammar.verb import Verb
from commands.plugin.get import GET as PLUGIN_GET
from commands.repo.get import GET as REPO_GET
from commands.restore.create import CREATE as RESTORE_CREATE
from commands.restore.delete import DELETE as RESTORE_DELETE
from commands.restore.describe import DESCRIBE as RESTORE_DESCRIBE
from commands.restore.get import GET as RESTORE_GET
from commands.restore.logs import LOGS as RESTORE_LOGS
from commands.restore.plan import PLAN as RESTORE_PLAN
from commands.schedule.verbs import SCHEDULE_VERBS
from commands.snapshot_location.create import CREATE as SNAPSHOT_LOCATION_CREATE
from commands.snapshot_location.get import GET as SNAPSHOT_LOCATION_GET
from commands.snapshot_location.set import SET as SNAPSHOT_LOCATION_SET

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
"""Word → noun."""

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
"""Word → verb. A word that is missing here may still be a verb of one noun."""

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

VERBS: tuple[Verb, ...] = (
    BACKUP_CREATE,
    BACKUP_GET,
    BACKUP_DESCRIBE,
    BACKUP_LOGS,
    BACKUP_DELETE,
    BACKUP_CANCEL,
    RESTORE_CREATE,
    RESTORE_PLAN,
    RESTORE_GET,
    RESTORE_DESCRIBE,
    RESTORE_LOGS,
    RESTORE_DELETE,
    *SCHEDULE_VERBS,
    BACKUP_LOCATION_CREATE,
    BACKUP_LOCATION_GET,
    BACKUP_LOCATION_SET,
    BACKUP_LOCATION_DEFAULT,
    BACKUP_LOCATION_DELETE,
    SNAPSHOT_LOCATION_CREATE,
    SNAPSHOT_LOCATION_GET,
    SNAPSHOT_LOCATION_SET,
    REPO_GET,
    PLUGIN_GET,
    CLUSTER_GET,
    STATUS,
    CHECK,
    SUBSCRIBE,
    UNSUBSCRIBE,
    AUDIT,
    DOCTOR,
    VERSION,
    WHOAMI,
    *ELSEWHERE,
)


def verb_of(key: str) -> Verb | None:
    return next((verb for verb in VERBS if verb.key == key), None)
