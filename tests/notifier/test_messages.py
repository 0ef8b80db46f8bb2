"""Golden messages: every state of a status message and an approval request, every kind of event, every form.

`UPDATE_GOLDEN=1` writes them again; `docs/messages.md` is generated from them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.slack import shortcuts
from bot.slack.forms import REASONED, TYPED, reason_view, typed_view
from bot.slack.payloads import Received
from domain.approval import Approval, ApprovalState, Vote, VoteKind
from domain.event import Event, Severity
from domain.operation import Operation, State
from domain.plan import Guard, Level, Plan, Step, StepVerb
from domain.reach import Reach
from notifier.render.answers import Rendered
from notifier.render.approvals import render_request
from notifier.render.cards import History, render_card
from notifier.render.headlines import HEADLINES
from notifier.render.notices import render_notice
from notifier.route import Destination, Role
from sandbox.slack.blockkit.check import check_blocks

GOLDEN = Path(__file__).parents[1] / "golden"
NOW = datetime(2026, 12, 1, 9, 12, tzinfo=UTC)
Message = Callable[[], Any]


def ago(**span: float) -> str:
    return (NOW - timedelta(**span)).isoformat()


BACKUP = Operation(
    "op-k3f9", "prod", "backup", "create", "shop-1", "UGRACE", State.RUNNING,
    "backup create shop-1 --include-namespaces shop", "cdcfa52fcc1c" * 6, NOW - timedelta(minutes=3), NOW,
    reason="before the upgrade to 4.2",
)  # fmt: skip
STARTED = {"cli": "velero backup create shop-1 --include-namespaces shop", "user": "UGRACE"}
SEEN = {
    "namespaces": ["shop"], "done": 48, "total": 120, "started": ago(seconds=80),
    "expires": (NOW + timedelta(days=30)).isoformat(),
}  # fmt: skip
ENDED = {
    **SEEN, "done": 120, "started": ago(seconds=151), "completed": NOW.isoformat(), "usual": 120,
    "last_good": {"name": "nightly-20261130010012", "at": ago(hours=9)},
}  # fmt: skip
ERRORS = {
    "errors": [
        "shop/data-0: timed out waiting for the CSI snapshot",
        "shop/data-1: timed out waiting for the CSI snapshot",
    ],
    "more_errors": 1,
    "hint": "Next: raise --csi-snapshot-timeout (now 10 min), then retry.",
    "volumes": 2,
    "unprotected": ["PVC shop/data-0 has no data in this backup", "PVC shop/data-1 has no data in this backup"],
}


def ending(phase: str, **facts: Any) -> Event:
    return Event("backup.completed", "prod", "c1", "Backup", "u1", "shop-1", phase, NOW, facts={**ENDED, **facts})


def status_message(state: State) -> Rendered:
    """A backup in this state, with what is known of it by then."""
    exists = {"object_uid": "u1", "object_name": "shop-1"}
    history = History(started=STARTED, requester="UGRACE")
    operation = replace(BACKUP, state=state)
    match state:
        case State.RUNNING:
            operation, history = replace(operation, phase="InProgress", **exists), replace(history, seen=SEEN)
        case State.SUCCEEDED:
            operation = replace(operation, phase="Completed", **exists)
            history = replace(history, seen=SEEN, ending=ending("Completed"), extra={"volumes": 2})
        case State.PARTIAL:
            operation = replace(operation, phase="PartiallyFailed", **exists)
            history = replace(history, seen=SEEN, ending=ending("PartiallyFailed", errors=3, done=118), extra=ERRORS)
        case State.FAILED:
            operation = replace(operation, phase="Failed", **exists)
            facts = {"failure_reason": "the object store refused the upload", "done": 0, "total": 0}
            history = replace(history, seen=SEEN, ending=ending("Failed", **facts))
        case State.LOST:
            operation = replace(operation, **exists)
        case State.REFUSED:
            operation = replace(operation, reason="Namespace `shop` doesn't exist in prod.")
    return render_card(operation, history, NOW)


def other_status_messages() -> Mapping[str, Message]:
    done = replace(BACKUP, state=State.SUCCEEDED, reason="")
    history = History(requester="UGRACE")

    def drawn(noun: str, verb: str, subject: str) -> Message:
        return lambda: render_card(replace(done, noun=noun, verb=verb, subject=subject), history, NOW)

    restore = replace(
        done, noun="restore", subject="demo-again", phase="Completed", object_uid="u2", object_name="demo-again"
    )
    extra = {"routine": "1 object already existed and was left unchanged.", "check": "kubectl -n shop get pods,pvc"}
    restored = replace(
        ending("Completed", expires=""), kind="restore.completed", object_kind="Restore", object_name="demo-again"
    )
    undo = {"undo": "restore create --from-backup demo-again-safety --existing-resource-policy update"}
    full = History(started=undo, ending=restored, extra=extra, requester="UGRACE")
    return {
        "restore-completed": lambda: render_card(restore, full, NOW),
        "backup-deleted": drawn("backup", "delete", "shop-1"),
        "schedule-paused": drawn("schedule", "pause", "nightly"),
        "storage-location-changed": drawn("backup-location", "set", "default"),
        "write-rejected": lambda: render_card(
            replace(BACKUP, state=State.FAILED, reason="The cluster rejected the object: quota exceeded."), history, NOW
        ),
    }


NET = Step(StepVerb.CREATE, "Backup", "backups", "demo-again-safety", {"spec": {}}, "velero", wait=("Completed",))
RESTORE = Step(StepVerb.CREATE, "Restore", "restores", "demo-again", {"spec": {"backupName": "demo-good"}}, "velero")
PLAN = Plan(
    "prod", "restore", "create", (NET, RESTORE), Reach(writes=frozenset({"shop"})),
    guards=(Guard("schedule-running", Level.WARN, "Schedule nightly may run during the restore."),),
    cli="velero restore create demo-again --from-backup demo-good",
    subject="demo-again",
    evidence={"backup": {"name": "demo-good"}},
    notes=("1 object would be created: ConfigMap shop/settings-1", "24 objects exist and are left unchanged"),
    offers={"Pause schedules": "restore create demo-again --from-backup demo-good --hold-schedules"},
)  # fmt: skip
WAITING = Operation(
    "op-7hq2", "prod", "restore", "create", "demo-again", "UGRACE", State.AWAITING,
    "restore create demo-again --from-backup demo-good", PLAN.fingerprint, NOW, NOW,
)  # fmt: skip
APPROVAL = Approval(
    "ap-7hq2", "op-7hq2", "5c0e" * 16, "restores", 1, ("approvers",), ApprovalState.OPEN, "UGRACE", "",
    "settings-1 is gone", NOW, NOW + timedelta(hours=1),
)  # fmt: skip
VOTES = {
    ApprovalState.APPROVED: VoteKind.APPROVE,
    ApprovalState.DECIDING: VoteKind.APPROVE,
    ApprovalState.REJECTED: VoteKind.REJECT,
}
MESSAGES = {
    ApprovalState.STALE: "The backup `demo-good` was deleted after the request.",
    ApprovalState.REJECTED: "",
}
ENDS = {
    ApprovalState.OPEN: State.AWAITING,
    ApprovalState.DECIDING: State.AWAITING,
    ApprovalState.APPROVED: State.RUNNING,
    ApprovalState.REJECTED: State.REJECTED,
    ApprovalState.EXPIRED: State.EXPIRED,
    ApprovalState.WITHDRAWN: State.WITHDRAWN,
    ApprovalState.STALE: State.STALE,
}


def approval_request(state: ApprovalState) -> Rendered:
    kind = VOTES.get(state)
    why = "use the copy in staging" if kind is VoteKind.REJECT else ""
    votes = (Vote("UBOB", "bob", "", kind, NOW, ("approvers",), why),) if kind else ()
    approval = replace(APPROVAL, state=state, votes=votes)
    return render_request(approval, replace(WAITING, state=ENDS[state]), PLAN, {"message": MESSAGES.get(state, "")})


def review_request() -> Rendered:
    return render_request(APPROVAL, replace(WAITING, state=State.SUCCEEDED, phase="Completed"), PLAN)


NEXT_RUN = (NOW + timedelta(hours=17)).isoformat()
EVENT_FACTS: Mapping[str, Mapping[str, Any]] = {
    "backup.completed": {**ENDED, "phase": "Completed", "schedule": "nightly"},
    "backup.partially-failed": {**ENDED, "phase": "PartiallyFailed", "schedule": "nightly", "done": 118, "errors": 3, "next_run": NEXT_RUN},
    "backup.failed": {
        "phase": "Failed", "schedule": "nightly", "namespaces": ["shop"], "none_good": True,
        "failure_reason": "dial tcp 10.0.4.7:9000: connection refused",
    },
    "backup.failed-validation": {"phase": "FailedValidation", "validation_errors": ["storage location far doesn't exist"]},
    "backup.slow": {"started": ago(minutes=130), "usual": 1200},
    "backup.stuck-in-queue": {"since": ago(minutes=12)},
    "backup.stuck-in-finalizing": {"since": ago(minutes=12)},
    "restore.slow": {"started": ago(minutes=130), "usual": 1200},
    "restore.stuck-in-queue": {"since": ago(minutes=12)},
    "restore.stuck-in-finalizing": {"since": ago(minutes=12)},
    "backup.deletion-failed": {"backup": "shop-1", "errors": ["the object store refused the deletion"]},
    "restore.completed": {**ENDED, "phase": "Completed", "backup": "demo-good", "mapping": {"shop": "shop-copy"}},
    "restore.partially-failed": {"phase": "PartiallyFailed", "backup": "demo-good", "errors": 1, "warnings": 2},
    "restore.failed": {"phase": "Failed", "backup": "demo-good", "failure_reason": "the backup archive is damaged"},
    "restore.failed-validation": {"phase": "FailedValidation", "validation_errors": ["backup demo-good doesn't exist"]},
    "restore.outside": {"backup": "demo-good", "mapping": {"shop": "shop-copy"}},
    "schedule.changed": {"verb": "pause", "by": "grace", "changes": ["paused: false → true"]},
    "schedule.changed-outside": {"message": "template.ttl: 48h0m0s → 720h0m0s"},
    "schedule.failed-validation": {"validation_errors": ["invalid schedule: expected exactly 5 fields"]},
    "schedule.skipped-as-asked": {"by": "grace", "message": "database migration"},
    "schedule.not-skipped": {"message": "Backup nightly-2 was created: the skip was removed outside Slack"},
    "schedule.missed": {
        "message": "Storage location default was Unavailable; Velero doesn't retry the run.", "next_run": NEXT_RUN,
        "last_good": {"name": "nightly-20261130010012", "at": ago(hours=25)},
    },
    "schedule.no-good-backup": {"last_good": {"name": "nightly-20261127010012", "at": ago(days=4)}},
    "schedule.near-period": {"message": "nightly-2 took 55 min; the next run was due after 1 h."},
    "schedule.good-again": {"backup": "nightly-20261201010007"},
    "location.unavailable": {"schedules": ["nightly", "weekly"], "message": "dial tcp 10.0.4.7:9000: connection refused", "since": ago(minutes=5)},
    "location.available": {"was_since": ago(hours=2), "since": NOW.isoformat()},
    "velero.silent": {"message": "", "since": ago(minutes=5)},
    "cluster.unreachable": {"message": "connection refused", "since": ago(minutes=5)},
    "cluster.access-lost": {"message": "401 Unauthorized", "since": ago(minutes=5)},
    "glass.broken": {"by": "grace", "message": "the shop is down"},
    "operation.failed": {"failure_reason": "exceeded quota: object-counts"},
    "approval.rejected": {"user": "UGRACE", "message": "use the copy in staging"},
    "audit.anchored": {"message": "seq 4711 · sha256 9f86d081884c7d65"},
    "receiver.disabled": {"message": "The receiver returned 410 Gone."},
    "receiver.tested": {"message": "Test notification. No action needed."},
}  # fmt: skip
EVENT_EXTRA: Mapping[str, Mapping[str, Any]] = {
    "backup.partially-failed": ERRORS,
    "restore.partially-failed": {"errors": ["Deployment shop/web: admission webhook denied the request"]},
}
OBJECTS = {
    "backup": ("Backup", "nightly-20261201010007"),
    "restore": ("Restore", "demo-again"),
    "schedule": ("Schedule", "nightly"),
    "location": ("BackupStorageLocation", "default"),
    "cluster": ("Cluster", "prod"),
    "velero": ("Velero", "prod"),
    "backup-location": ("backup-location", "default"),
    "snapshot-location": ("snapshot-location", "east"),
    "receiver": ("Receiver", "incidents"),
    "audit": ("Audit", "4711"),
}
SEVERITIES = {
    Severity.SECURITY: "glass.broken restore.outside",
    Severity.FAILURE: """
        backup.failed backup.partially-failed backup.failed-validation backup.deletion-failed restore.failed
        restore.partially-failed restore.failed-validation schedule.failed schedule.failed-validation schedule.missed
        schedule.not-skipped schedule.no-good-backup backup-location.failed snapshot-location.failed
        location.unavailable velero.silent cluster.unreachable cluster.access-lost operation.failed
        operation.unresolved operation.lost approval.not-started receiver.disabled
    """,
    Severity.WARNING: """
        backup.slow backup.stuck-in-queue backup.stuck-in-finalizing restore.slow restore.stuck-in-queue
        restore.stuck-in-finalizing schedule.changed-outside schedule.paused-outside schedule.resumed-outside
        schedule.skipped-outside schedule.deleted-outside schedule.replaced-outside schedule.skip-lost
        schedule.ran-late schedule.unseen schedule.clock-skew schedule.piling-up schedule.near-period
        operation.unconfirmed approval.reminded approval.rejected approval.expired approval.withdrawn approval.stale
    """,
    Severity.RECOVERY: """
        backup.completed backup.returned schedule.recovered schedule.seen schedule.fixed schedule.clock-right
        schedule.drained schedule.good-again location.available location.removed velero.back cluster.reachable
        cluster.access-back
    """,
}


def severity_of(kind: str) -> Severity:
    return next((severity for severity, kinds in SEVERITIES.items() if kind in kinds.split()), Severity.INFO)


def notification(kind: str) -> Rendered:
    noun = kind.partition(".")[0]
    object_kind, name = OBJECTS.get(noun, ("operation", "restore demo-again"))
    facts: dict[str, Any] = {"expected": "2026-12-01T02:00:00+00:00", **EVENT_FACTS.get(kind, {})}
    cluster = "" if noun in {"receiver", "audit"} else "prod"
    event = Event(kind, cluster, "c1", object_kind, "u1", name, kind, NOW, severity_of(kind), facts=facts)
    mention = ("here",) if event.severity is Severity.FAILURE else ()
    to = Destination("slack", "C1", Role.NEWS, 10, mention)
    return render_notice(event, to, EVENT_EXTRA.get(kind, {}), "", NOW)


def received(action: str, **values: str) -> Received:
    return Received("action", "k1", "T1", "UGRACE", action=action, value=json.dumps(values))


FORMS: Mapping[str, Message] = {
    "back-up-now": lambda: shortcuts.view(received("ask:backup"), ("prod", "staging"), NOW),
    "restore-from-a-backup": lambda: shortcuts.view(received("ask:restore"), ("prod", "staging"), NOW),
    "confirm-deletion": lambda: typed_view(received(TYPED, word="shop-1", line="backup delete shop-1")),
    "reject-request": lambda: reason_view(received(f"{REASONED}reject:ap-7hq2")),
}
GOLDENS: Mapping[str, Message] = {
    **{f"status-messages/{state.value}": (lambda state=state: status_message(state)) for state in State},
    **{f"status-messages/{name}": message for name, message in other_status_messages().items()},
    **{f"approval-requests/{state.value}": (lambda state=state: approval_request(state)) for state in ApprovalState},
    "approval-requests/review": review_request,
    **{f"notifications/{kind}": (lambda kind=kind: notification(kind)) for kind in HEADLINES},
    **{f"forms/{name}": form for name, form in FORMS.items()},
}


@pytest.mark.parametrize("name", GOLDENS)
def test_message(name: str) -> None:
    drawn = GOLDENS[name]()
    found = {"text": drawn.text, "blocks": list(drawn.blocks)} if isinstance(drawn, Rendered) else drawn
    path = GOLDEN / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert found == json.loads(path.read_text("utf-8"))
    assert list(check_blocks(list(found["blocks"]))) == []


@pytest.mark.parametrize("name", [name for name in GOLDENS if not name.startswith("forms/")])
def test_the_fallback_text_is_one_line_that_ends_as_a_sentence(name: str) -> None:
    text = GOLDENS[name]().text
    assert text.endswith((".", "?"))
    assert "\n" not in text
    assert "*" not in text


@pytest.mark.parametrize("folder", ["status-messages", "approval-requests", "notifications", "forms"])
def test_every_golden_message_belongs_to_a_test(folder: str) -> None:
    assert {path.stem for path in (GOLDEN / folder).glob("*.json")} == {
        name.partition("/")[2] for name in GOLDENS if name.startswith(f"{folder}/")
    }
