"""The registry of verbs, written by hand in the order in which help lists them."""

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
