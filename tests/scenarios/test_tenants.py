"""A team that may back up only its own namespaces sees only these: lists, sheets, logs, errors, suggestions, files."""

import re

import pytest


@pytest.fixture
async def shared(house):
    """Backups of both teams and one of everything."""
    await house.backed_up("shop-1")
    await house.backed_up("billing-1", includedNamespaces=["billing"])
    await house.backed_up("everything-1", includedNamespaces=["*"])
    await house.quiet()
    return house


async def heard(answer, words="ref-"):
    """The answer itself, not a notification that comes meanwhile: only answers have a reference."""
    return (await answer.reply(words)).full_text


async def test_lists_show_her_own_and_the_wide_one_redacted(shared):
    text = await heard(await shared.ada.says("/velero backup get"), "backups")
    assert "shop-1" in text
    assert "everything-1" in text
    assert "billing" not in text


async def test_grace_sees_them_all(shared):
    text = await heard(await shared.grace.says("/velero backup get"), "backups")
    assert "billing-1" in text


async def test_a_wide_backup_is_described_without_the_others(shared):
    text = await heard(await shared.ada.says("/velero backup describe everything-1"), "everything-1: Completed")
    assert "shop" in text
    assert "billing" not in text
    assert not [f for f in shared.slack.workspace.files.values() if f.completed]


@pytest.mark.parametrize(
    "line",
    [
        "backup describe billing-1",
        "backup logs billing-1",
        "backup get billing-1",
        "backup describe billing-1 --details -o json",
        "backup describe shop-1 billing-1",
    ],
)
async def test_a_foreign_backup_is_as_good_as_absent(shared, line):
    text = await heard(await shared.ada.says(f"/velero {line}"), "Backup `billing-1` doesn't exist in prod.")
    assert "billing" not in text.partition("Did you mean")[2]


@pytest.mark.parametrize("line", ["backup logs everything-1", "backup describe everything-1 --find deployment/web"])
async def test_files_of_a_wide_backup_are_not_hers(shared, line):
    await heard(await shared.ada.says(f"/velero {line}"), "it includes other namespaces.")
    assert not [f for f in shared.slack.workspace.files.values() if f.completed]


@pytest.mark.parametrize("name", ["billing-2", "biling-1", "everything"])
async def test_nothing_foreign_is_suggested(shared, name):
    text = await heard(await shared.ada.says(f"/velero backup describe {name}"), f"Backup `{name}` doesn't exist")
    assert "billing-1" not in text


async def test_what_is_suggested_to_others_is_not_to_her(shared):
    text = await heard(await shared.grace.says("/velero backup describe billing-2"), "Backup `billing-2` doesn't exist")
    assert "billing-1" in text


@pytest.mark.parametrize(
    "flags",
    [
        "",
        "--include-namespaces '*'",
        "--include-namespaces shop,billing",
        "--include-namespaces billing",
        "--exclude-namespaces billing",
        "--include-namespaces shop --include-cluster-resources=true",
        "--include-namespaces 's*'",
        "--selector app=shop",
        "--include-namespaces shop --include-cluster-scoped-resources '*'",
        "--from-schedule wide",
    ],
)
async def test_no_flag_widens_her_reach(shared, flags):
    spec = {"schedule": "0 1 * * *", "template": {"includedNamespaces": ["*"], "ttl": "24h0m0s"}}
    shared.prod.objects.create("schedules", "velero", {"metadata": {"name": "wide"}, "spec": {**spec, "paused": True}})
    before = len(shared.prod.all("backups"))
    answer = await shared.ada.says(f"/velero backup create mine {flags}")
    text = await heard(answer, "❌")
    assert "billing-1" not in text
    assert shared.prod.get("backups", "mine") is None
    assert len(shared.prod.all("backups")) == before


async def test_deleting_another_teams_backup_reveals_nothing(shared):
    refused = await heard(await shared.ada.says("/velero backup delete billing-1"), "❌")
    absent = await heard(await shared.ada.says("/velero backup delete nothing-1"), "❌")
    assert refused.splitlines()[:2] == absent.splitlines()[:2]
    assert shared.prod.all("deletebackuprequests") == []


async def test_a_name_that_others_hold_is_refused_without_a_word_of_whose_it_is(shared):
    text = await heard(await shared.ada.says("/velero backup create billing-1 --include-namespaces shop"), "billing-1")
    assert "includedNamespaces" not in text
    assert shared.prod.get("backups", "billing-1")["spec"]["includedNamespaces"] == ["billing"]


async def test_an_unknown_namespace_is_answered_with_her_own_only(shared):
    text = await heard(await shared.ada.says("/velero backup create b --include-namespaces bilings"), "❌")
    assert "billing" not in text.replace("bilings", "")


async def test_an_error_in_a_wide_backup_is_not_shown_to_her(shared):
    shared.prod.velero.script("wide-2", outcome="partial", reason="secret of billing")
    await shared.backed_up("wide-2", includedNamespaces=["*"])
    text = await heard(await shared.ada.says("/velero backup describe wide-2"), "wide-2: PartiallyFailed")
    assert "secret of billing" not in text


async def restored(house, name, backup, **spec):
    body = {"metadata": {"name": name}, "spec": {"backupName": backup, "excludedResources": ["nodes"], **spec}}
    house.prod.objects.create("restores", "velero", body)
    await house.ended("restores", name)
    await house.quiet()


async def test_a_restore_names_its_backup_only_if_the_person_may_see_it(shared):
    await restored(shared, "r-mine", "shop-1")
    await restored(shared, "r-wide", "everything-1", includedNamespaces=["shop", "billing"])
    text = await heard(await shared.ada.says("/velero restore get"), "restores")
    rows = {line.split()[0]: line.split()[1] for line in text.splitlines() if line.startswith("r-")}
    assert rows == {"r-mine": "shop-1", "r-wide": "everything-1"}
    assert "billing" not in text


async def test_a_restore_of_a_backup_that_is_not_hers_does_not_name_it(shared):
    await restored(shared, "r-foreign", "billing-1", namespaceMapping={"billing": "shop"})
    text = await heard(await shared.ada.says("/velero restore get"))
    assert "billing" not in text


ABOUT = ["restore describe {}", "restore logs {}", "restore get {}", "restore create --undo {}", "restore delete {}"]


@pytest.mark.parametrize("line", ABOUT)
@pytest.mark.parametrize("source_there", [True, False])
async def test_a_foreign_restore_is_answered_as_one_that_does_not_exist(shared, line, source_there):
    """It names no namespace itself: only its source tells whose it is."""
    await restored(shared, "r-billing", "billing-1")
    if not source_there:
        shared.prod.objects.delete("backups", "velero", "billing-1")
        await shared.quiet()
    foreign = await heard(await shared.ada.says("/velero " + line.format("r-billing")))
    absent = await heard(await shared.ada.says("/velero " + line.format("r-nothing")))
    assert unreferenced(foreign).replace("r-billing", "r-nothing") == unreferenced(absent)


async def test_a_foreign_restore_is_not_suggested(shared):
    await restored(shared, "r-billing", "billing-1")
    await restored(shared, "r-shop", "shop-1")
    assert "r-billing" not in await heard(await shared.ada.says("/velero restore describe r-bilin"), "❌")
    assert "r-shop: " in await heard(await shared.ada.says("/velero restore describe r-shop"))


def unreferenced(text: str) -> str:
    return re.sub(r"ref-\d+", "ref", text)
