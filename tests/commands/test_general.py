"""check, version, plugin, repo, doctor, subscribe, audit, whoami, status."""

from __future__ import annotations

from typing import Any

import pytest

from commands.planning.context import Application
from commands.planning.facts import FileNeed, RecordTable
from domain.actor import Actor, ActorKind, Origin, Way
from domain.answer import Fields, Tone
from domain.errors import NotFound, Refused, Unreachable, UsageError
from store.tables.audit import AuditEntry, AuditRow
from store.tables.subscriptions import Subscription
from tests.commands.shelf import (
    ADA,
    NOW,
    RECORDED,
    Shelf,
    backup,
    location,
    namespace,
    recorded,
    resource,
    shown,
    situation,
)


def schedule(name: str, *namespaces: str, cron: str = "0 1 * * *", **spec: Any) -> Any:
    made = {"schedule": cron, "template": {"includedNamespaces": list(namespaces)}, **spec}
    return resource("Schedule", name, made, {"phase": "Enabled"}, creationTimestamp="2026-11-01T00:00:00Z")


def shop(*items: Any) -> Shelf:
    return Shelf().put("namespaces", namespace("shop"), namespace("bank")).put("backups", *items)


def good(name: str = "shop-1", started: str = "2026-11-21T01:00:00Z", **spec: Any) -> Any:
    return backup(name, started=started, **{"includedNamespaces": ["shop"], **spec})


# check


def test_a_good_backup_and_a_schedule_is_protection() -> None:
    held = shop(good()).put("schedules", schedule("nightly", "shop"))
    answer = held.says("check shop")
    assert answer.tone is Tone.GOOD
    assert answer.headline == "`shop` is protected. Last Completed backup: shop-1, 11 hours ago."
    assert "Next run of nightly: Sun 2026-11-22 01:00" in shown(answer)
    assert "Expires: in 29d 13h" in shown(answer) or "Expires: in 29d" in shown(answer)


def test_without_a_good_one_it_is_not_protected() -> None:
    answer = shop(good(), good("bad"))
    answer.objects["backups"] = [backup("bad", "PartiallyFailed", includedNamespaces=["shop"])]
    said = answer.says("check shop")
    assert said.tone is Tone.BAD
    assert "is not protected" in said.headline
    assert "Latest backup: bad, 11 hours ago, PartiallyFailed." in shown(said)


def test_nothing_makes_the_next_one() -> None:
    assert "has no active schedule" in shop(good()).says("check shop").headline


def test_a_paused_schedule_makes_no_next_one() -> None:
    held = shop(good()).put("schedules", schedule("nightly", "shop", paused=True))
    answer = held.says("check shop")
    assert answer.tone is Tone.WARNING
    assert "Next run of nightly: paused" in shown(answer)


def test_an_old_one_is_said_to_be_old() -> None:
    held = shop(good(started="2026-11-10T01:00:00Z")).put("schedules", schedule("nightly", "shop"))
    assert (
        held.says("check shop").headline == "`shop` has no recent backup. Last Completed backup: shop-1, 11 days ago."
    )


@pytest.mark.parametrize(
    ("spec", "counts"),
    [
        ({"includedNamespaces": ["*"]}, True),
        ({"includedNamespaces": ["sh*"]}, True),
        ({"includedNamespaces": []}, True),
        ({"includedNamespaces": ["*"], "excludedNamespaces": ["shop"]}, False),
        ({"includedNamespaces": ["bank"]}, False),
        ({"labelSelector": {"matchLabels": {"app": "web"}}}, False),
        ({"includedResources": ["configmaps"]}, False),
        ({"includedResources": ["*"]}, True),
    ],
)
def test_what_counts_as_a_backup_of_it(spec: Any, counts: bool) -> None:
    assert ("is not protected" not in shop(good(**spec)).says("check shop").headline) is counts


def test_a_newer_failure_is_told_beside_the_good_one() -> None:
    bad = backup("shop-2", "Failed", started="2026-11-21T02:00:00Z", includedNamespaces=["shop"])
    assert "Latest backup: shop-2, 10 hours ago, Failed." in shown(shop(good(), bad).says("check shop"))


def test_volumes_without_data_are_no_full_protection() -> None:
    held = recorded("wp-plain")
    answer = held.says("check wordpress")
    assert answer.tone is Tone.WARNING
    assert "is partly protected: 2 volumes have no data" in answer.headline
    assert "wordpress/data-nfs" in shown(answer)


def test_an_application_is_all_of_its_namespaces() -> None:
    held = shop(good(), good("both", "2026-11-20T01:00:00Z", includedNamespaces=["shop", "bank"]))
    held.situation = situation(applications=(Application("store", ("shop", "bank")),))
    said = shown(held.says("check store"))
    assert "Last Completed backup: both" in said
    assert "Application in namespaces shop, bank." in said


def test_a_tenant_learns_of_a_wide_backup_that_protects_them_and_not_of_others() -> None:
    held = shop(good("all", includedNamespaces=["*"])).sees_only("shop")
    held.files[FileNeed("BackupVolumeInfos", "all")] = (RECORDED / "wp-plain" / "BackupVolumeInfos.json").read_bytes()
    said = shown(held.says("check shop"))
    assert "Last Completed backup: all" in said
    assert "includes namespaces you can't access" in said


def test_a_namespace_that_is_not_there_or_not_theirs_gets_the_nearest() -> None:
    for held, name in ((shop(), "shpo"), (shop().sees_only("shop"), "bank")):
        with pytest.raises(NotFound) as fault:
            held.says(f"check {name}")
        assert "bank" not in fault.value.nearest or name == "shpo"


# version, plugin, repo


def test_versions_of_the_bot_and_of_each_cluster() -> None:
    held = Shelf(status={"serverVersion": "v1.18.2", "plugins": []})
    said = shown(held.says_over("version", {"far": Unreachable("far", "Cluster far doesn't respond."), "old": Shelf()}))
    assert "prod  v1.18.2" in said
    assert "far  Cluster far doesn't respond." in said
    assert "old  Velero doesn't respond" in said


def test_a_build_without_a_version_is_unknown() -> None:
    assert "unknown" in shown(Shelf(status={"plugins": []}).says("version"))


def test_client_only_asks_nobody() -> None:
    assert shown(Shelf().says("version --client-only")).startswith("velero-chatops ")


def test_plugins_are_listed_once() -> None:
    twice = {"name": "velero.io/pod", "kind": "BackupItemAction"}
    answer = Shelf(status={"plugins": [twice, twice, {"name": "velero.io/aws", "kind": "ObjectStore"}]}).says(
        "plugin get"
    )
    assert answer.headline == "2 plugins"


def test_a_silent_server_has_no_plugins_to_tell() -> None:
    assert Shelf().says("plugin get").tone is Tone.BAD


def repository(name: str, where: str, **status: Any) -> Any:
    return resource("BackupRepository", name, {"volumeNamespace": where, "repositoryType": "kopia"}, status)


def test_repositories_in_trouble_say_why() -> None:
    failed = {"result": "Failed", "message": "timed out"}
    held = Shelf().put(
        "backuprepositories",
        repository("a", "shop", phase="NotReady", message="no such bucket"),
        repository("b", "bank", phase="Ready", recentMaintenance=[failed]),
        repository("c", "wiki", phase="Ready"),
    )
    answer = held.says("repo get")
    assert answer.headline == "2 of 3 repositories have problems."
    assert "a: no such bucket" in shown(answer)
    assert "b: the last maintenance failed: timed out" in shown(answer)


def test_a_repository_of_another_s_namespace_is_not_shown() -> None:
    held = Shelf().put("backuprepositories", repository("a", "shop"), repository("b", "bank"))
    assert "bank" not in shown(held.put("namespaces", namespace("shop")).sees_only("shop").says("repo get"))


# doctor


def healthy() -> Shelf:
    held = Shelf(status={"serverVersion": "v1.18.2"}).put("backupstoragelocations", location("default", default=True))
    return held.put("schedules", schedule("nightly", "shop"))


def test_a_healthy_cluster_is_well() -> None:
    answer = healthy().says("doctor")
    assert answer.tone is Tone.GOOD, shown(answer)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda held: setattr(held, "status", None), "Velero server  not responding"),
        (lambda held: setattr(held, "status", {"serverVersion": "v1.19.0"}), "version  v1.19.0"),
        (lambda held: held.objects.update(backupstoragelocations=[]), "storage location  missing"),
        (
            lambda held: held.put("backupstoragelocations", location("b", "b", default=True)),
            "default storage location  2 storage locations are default",
        ),
        (lambda held: held.objects.update(schedules=[]), "schedules  missing"),
        (lambda held: held.put("backups", backup("a", "Finalizing")), "backup a  Finalizing"),
        (lambda held: held.put("backuprepositories", repository("r", "x", phase="NotReady")), "repository r  NotReady"),
        (
            lambda held: held.records.update({RecordTable.CONFIG_CHECKS: [("", "rules", "none", "Add [[rules]].")]}),
            "rules  none",
        ),
    ],
)
def test_what_is_not_well_is_said(change: Any, said: str) -> None:
    held = healthy()
    change(held)
    answer = held.says("doctor")
    assert answer.tone is Tone.WARNING
    assert said in shown(answer)


def test_a_cluster_that_does_not_answer_does_not_hide_the_others() -> None:
    answer = healthy().says_over(
        "doctor", {"far": Unreachable("far", "Cluster far doesn't respond.", fix="Look at the network.")}
    )
    assert "far  reachable  Cluster far doesn't respond." in shown(answer)
    assert "prod  Velero server  ok" in shown(answer)


# subscribe


class Tx:
    """What a note keeps, kept in lists."""

    def __init__(self) -> None:
        self.added: list[Subscription] = []
        self.removed: list[tuple[str, ...]] = []
        self.rows: list[AuditEntry] = []
        self.subscriptions = self
        self.audit = self

    def add(self, wanted: Subscription) -> None:
        self.added.append(wanted)

    def remove(self, *wanted: str) -> bool:
        self.removed.append(wanted)
        return True

    def append(self, entry: AuditEntry) -> None:
        self.rows.append(entry)


def kept(held: Shelf, line: str) -> Any:
    note = held.notes(line)
    assert note.write is not None
    tx: Any = Tx()
    note.write(tx)
    return tx


def test_one_is_told_of_failures_unless_more_is_asked_for() -> None:
    assert kept(shop(), "subscribe namespace shop").added == [
        Subscription("U1", "prod", "namespace", "shop", "U1", NOW, "failures")
    ]
    assert kept(shop(), "subscribe ns shop --on all").added[0].outcome == "all"


def test_every_subscription_is_on_record() -> None:
    rows = kept(shop(), "subscribe namespace shop").rows
    assert [(row.action, row.actor, row.subject) for row in rows] == [("subscribe", "U1", "namespace shop")]


@pytest.mark.parametrize("line", ["unsubscribe namespace shop", "subscribe namespace shop --on none"])
def test_it_ends(line: str) -> None:
    assert kept(shop(), line).removed == [("U1", "prod", "namespace", "shop")]


def test_it_ends_for_what_is_gone_too() -> None:
    assert kept(shop(), "unsubscribe backup gone").removed


@pytest.mark.parametrize(
    ("scope", "allowed"), [(["*"], True), (["shop"], True), (["shop", "bank"], True), (["bank"], False), ([], False)]
)
def test_a_channel_hears_what_its_scope_covers(scope: list[str], allowed: bool) -> None:
    held = shop()
    held.records[RecordTable.CHANNEL_SCOPE] = scope
    if allowed:
        assert kept(held, "subscribe namespace shop --here").added[0].receiver == "C1"
    else:
        with pytest.raises(Refused, match="includes namespaces this channel may not see: shop"):
            held.notes("subscribe namespace shop --here")


def test_a_schedule_tells_of_all_its_namespaces() -> None:
    held = shop().put("schedules", schedule("nightly", "shop", "bank"))
    held.records[RecordTable.CHANNEL_SCOPE] = ["shop"]
    with pytest.raises(Refused, match="bank"):
        held.notes("subscribe schedule nightly --here")


def test_what_one_does_not_see_one_is_not_told_of() -> None:
    with pytest.raises(NotFound):
        shop().sees_only("shop").notes("subscribe namespace bank")
    with pytest.raises(Refused):
        shop(good("all", includedNamespaces=["shop", "bank"])).sees_only("shop").notes("subscribe backup all")


def test_a_pipeline_is_nobody_to_tell() -> None:
    held = shop()
    held.situation = situation(actor=Actor(ActorKind.TERMINAL, "t", "t"), origin=Origin(Way.TERMINAL))
    with pytest.raises(Refused):
        held.notes("subscribe namespace shop")


@pytest.mark.parametrize("line", ["subscribe shop", "subscribe cluster prod", "subscribe namespace shop --on some"])
def test_what_cannot_be_subscribed_to(line: str) -> None:
    with pytest.raises(UsageError):
        shop().notes(line)


def test_alone_it_lists() -> None:
    held = shop()
    assert held.notes("subscribe").answer.headline == "No subscriptions."
    held.records[RecordTable.SUBSCRIPTIONS] = [Subscription("U1", "prod", "namespace", "shop", "U1", NOW)]
    note = held.notes("subscribe")
    assert note.write is None
    assert "prod  namespace  shop  all" in shown(note.answer)


# audit, whoami, status


def recorded_row(seq: int, actor: str, subject: str) -> AuditRow:
    return AuditRow(
        seq, AuditEntry(NOW, actor, "backup.create", "approved", subject, "prod", "op-x", {"actor": actor}), b""
    )


def test_the_record_newest_first_and_filtered() -> None:
    held = Shelf(records={RecordTable.AUDIT: [recorded_row(2, "ada", "shop-1"), recorded_row(1, "grace", "bank-1")]})
    assert held.says("audit").headline == "Audit log: 2 entries"
    assert "grace" not in shown(held.says("audit --by @ada"))
    assert "shop-1" not in shown(held.says("audit --subject bank"))


def test_one_story() -> None:
    assert "op-x" in shown(
        Shelf(records={RecordTable.OPERATION_HISTORY: [recorded_row(2, "ada", "shop-1")]}).says("audit op-x")
    )


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_page_of_the_record_is_bounded(limit: int) -> None:
    with pytest.raises(UsageError):
        Shelf().says(f"audit --limit {limit}")


def test_whoami_tells_rights() -> None:
    held = Shelf(records={RecordTable.RIGHTS: [("backup.*", "prod", "allow", "ops")]})
    answer = held.says("whoami")
    assert answer.headline == f"You are {ADA.name}."
    assert any(isinstance(part, Fields) for part in answer.parts)
    assert "backup.*  prod  allow  ops" in shown(answer)


def test_status_is_a_line_for_each_cluster() -> None:
    answer = healthy().says_over("status", {"far": Unreachable("far", "Cluster far doesn't respond.")})
    assert answer.tone is Tone.WARNING
    assert "prod  ok  v1.18.2" in shown(answer)
