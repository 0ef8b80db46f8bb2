"""Restores without an approval: sources, scopes, modifiers, other clusters, and refusals before anything is written."""

import asyncio
import json

import pytest

from sandbox import world as worlds

RULES = worlds.RULES.replace(
    'effect = "approve"\nquorum = 1\napprovers = ["approvers"]', 'configmaps = true\neffect = "allow"'
)
"""The usual rules, but restores of the shop need no approval."""


@pytest.fixture
async def house(build):
    house = await build(rules=RULES)
    await house.start()
    await house.backed_up("b1")
    earlier = {"startTimestamp": "2026-01-01T10:00:00Z"}
    house.prod.objects.patch("backups", "velero", "b1", {"status": earlier})
    await house.quiet()
    return house


async def restored(house, line, name="r1", place=None):
    await house.grace.says(f"/velero restore create {name} {line}")
    return await house.ended("restores", name, place)


async def refused(house, line, words):
    before = len(house.prod.all("restores"))
    answer = await house.grace.says(f"/velero restore create r1 {line}")
    reply = await answer.reply(words)
    assert len(house.prod.all("restores")) == before
    return reply


SHOP = "--from-backup b1 --include-namespaces shop"


async def test_latest_chooses_the_newest_backup_of_the_namespace(house):
    await house.backed_up("b2")
    made = await restored(house, "--latest --include-namespaces shop")
    assert made["spec"]["backupName"] == "b2"


async def test_before_chooses_the_last_backup_before_the_time(house):
    made = await restored(house, "--before now --include-namespaces shop")
    assert made["spec"]["backupName"] == "b1"


async def test_before_without_a_completed_backup_is_refused(house):
    await refused(house, '--before "2025-12-24 10:00" --include-namespaces shop', "has no Completed backup before")


async def test_from_schedule_pins_the_backup(house):
    await house.backed_up("s1")
    house.prod.objects.patch(
        "backups", "velero", "s1", {"metadata": {"labels": {"velero.io/schedule-name": "nightly"}}}
    )
    await house.quiet()
    made = await restored(house, "--from-schedule nightly --include-namespaces shop")
    assert made["spec"]["backupName"] == "s1"


async def test_a_regular_expression_becomes_names(house):
    made = await restored(house, '--from-backup b1 --include-namespaces "^sh.+$"')
    assert made["spec"]["includedNamespaces"] == ["shop"]


async def test_a_namespace_that_is_not_in_the_backup_is_refused(house):
    reply = await refused(
        house, "--from-backup b1 --include-namespaces shop-x", "Namespace `shop-x` isn't in backup `b1`"
    )
    assert "shop" in reply.full_text


async def test_a_copy_in_another_namespace(house):
    await restored(house, f"{SHOP} --namespace-mappings shop:shop-copy")
    assert house.prod.objects.find("configmaps", "shop-copy", "settings-0") is not None


@pytest.mark.parametrize(
    ("mapping", "words"),
    [("shop:Shop", "'Shop' isn't a valid namespace name"), ("other:shop-copy", "isn't in the backup")],
)
async def test_an_invalid_mapping_is_refused(house, mapping, words):
    await refused(house, f"{SHOP} --namespace-mappings {mapping}", words)


async def test_a_failed_backup_is_refused(house):
    house.prod.velero.script("bad", outcome="partial", kind="backup")
    await house.backed_up("bad")
    await refused(house, "--from-backup bad --include-namespaces shop", "is PartiallyFailed")


async def test_only_one_restore_of_a_namespace_at_a_time(house):
    house.prod.velero.script("r0", outcome="hangs", kind="restore")
    await house.grace.says(f"/velero restore create r0 {SHOP}")
    await house.in_phase("restores", "r0", "InProgress")
    await refused(house, SHOP, "Restore `r0` is running in shop. Only one restore per namespace can run at a time.")


async def test_reserved_and_unknown_things_are_refused(house):
    await refused(house, "--from-backup nowhere --include-namespaces shop", "Backup `nowhere` doesn't exist in prod.")
    await refused(house, f"{SHOP} --labels velero.io/x=y", "reserved")
    await refused(house, f"{SHOP} --include-resources nodes", "Velero never restores `nodes`.")
    await refused(house, f"{SHOP} --resource-modifier-configmap nothing", "ConfigMap `nothing` doesn't exist")


async def test_an_empty_selection_is_refused(house):
    await refused(
        house, f"{SHOP} --selector app=nobody --include-resources configmaps", "Nothing in backup `b1` is selected"
    )


MODIFIERS = json.dumps(
    {
        "version": "v1",
        "resourceModifierRules": [
            {
                "conditions": {"groupResource": "configmaps"},
                "mergePatches": [{"patchData": json.dumps({"data": {"extra": "yes"}})}],
            }
        ],
    }
)


async def test_an_inline_modifier_becomes_an_immutable_config_map(house):
    made = await restored(house, f"{SHOP} --namespace-mappings shop:shop-copy --modifier '{MODIFIERS}'")
    name = made["spec"]["resourceModifier"]["name"]
    assert house.prod.get("configmaps", name)["immutable"] is True
    assert house.prod.objects.find("configmaps", "shop-copy", "settings-0")["data"]["extra"] == "yes"
    assert await house.store.read(lambda tx: len(tx.deadlines.open("configmap.remove"))) == 1


async def test_a_modifier_config_map_is_copied(house):
    house.prod.objects.create("configmaps", "velero", {"metadata": {"name": "mods"}, "data": {"m.yaml": MODIFIERS}})
    made = await restored(house, f"{SHOP} --namespace-mappings shop:shop-copy --resource-modifier-configmap mods")
    assert made["spec"]["resourceModifier"]["name"] != "mods"


async def test_a_modifier_that_velero_would_refuse_is_refused(house):
    await refused(house, f'{SHOP} --modifier "version: v1"', "at least one rule")


def modifier(kind, **ways):
    rules = [{"conditions": {"groupResource": kind}, **ways}]
    return f"{SHOP} --namespace-mappings shop:shop-copy --modifier '{json.dumps({'version': 'v1', 'resourceModifierRules': rules})}'"


@pytest.mark.parametrize(
    ("kind", "ways", "words"),
    [
        (
            "deployments",
            {"mergePatches": [{"patchData": '{"spec": {"replicas": 0}}'}]},
            "groupResource `deployments`. Did you mean deployments.apps?",
        ),
        (
            "configmaps",
            {"patches": [{"operation": "remove", "path": "/data/none"}]},
            "Velero would restore it unmodified",
        ),
        (
            "deployments.apps",
            {"mergePatches": [{"patchData": '{"spec": {"template": {"spec": {"hostPID": true}}}}'}]},
            "also affects fields that resource modifiers change",
        ),
        ("configmaps", {"MergePatches": [{"patchData": "{}"}]}, "unknown key `MergePatches`"),
        (
            "configmaps",
            {"patches": [{"operation": "add", "path": '/data/x","path":"/metadata/namespace', "value": "velero"}]},
            "Velero would read this patch in --modifier differently",
        ),
    ],
)
async def test_modifiers_that_fail_match_nothing_or_reach_too_far_are_refused(house, kind, ways, words):
    await refused(house, modifier(kind, **ways), words)


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0"])
async def test_an_exclude_that_excludes_nothing_is_refused(house, blank):
    await refused(house, f"{SHOP} --exclude-resources 'roles{blank},rolebindings{blank}'", "spaces or invisible")


async def test_a_restore_into_a_cluster_that_shares_the_bucket(house):
    worlds.location(house.staging.objects, "prod-bucket", house.prod.bucket, mode="ReadOnly")
    await house.eventually(lambda: house.staging.get("backups", "b1"))
    house.staging.objects.delete("configmaps", "shop", "settings-0")
    await restored(house, f"{SHOP} --to-cluster staging", place=house.staging)
    assert house.staging.objects.find("configmaps", "shop", "settings-0") is not None
    assert house.prod.all("restores") == []


async def test_an_unsynced_backup_error_shows_how_to_add_the_location(house):
    answer = await house.grace.says(f"/velero restore create r1 {SHOP} --to-cluster staging")
    reply = await answer.reply("Backup `b1` doesn't exist in staging, or Velero there hasn't synced it yet.")
    assert "--access-mode ReadOnly" in reply.full_text


# reading and deleting restores


async def test_list_describe_logs_delete(house):
    await restored(house, SHOP)
    await (await house.grace.says("/velero restore get")).reply("r1")
    told = await (await house.grace.says("/velero restore describe r1")).reply("Restore r1: Completed")
    assert "b1" in told.full_text or told.blocks
    await (await house.grace.says("/velero restore logs r1")).reply("Logs of r1")
    await house.grace.says("/velero restore delete r1")
    await house.eventually(lambda: house.prod.get("restores", "r1") is None)
    assert house.prod.objects.find("configmaps", "shop", "settings-0") is not None


async def test_expected_warnings_are_counted(house):
    house.prod.objects.patch("configmaps", "shop", "settings-1", {"data": {"number": "99"}})
    await restored(house, SHOP)
    answer = await house.grace.says("/velero restore describe r1")
    reply = await answer.reply("Restore r1: Completed")
    shown = json.dumps(reply.blocks)
    assert "already existed and" in shown
    assert "left unchanged." in shown


async def test_of_two_restores_at_the_same_time_one_runs(house):
    house.prod.velero.script("r1", outcome="hangs", kind="restore")
    house.prod.velero.script("r2", outcome="hangs", kind="restore")
    answers = await asyncio.gather(
        *(house.grace.says(f"/velero restore create {name} {SHOP}") for name in ("r1", "r2"))
    )
    (name,) = await house.eventually(lambda: [one["metadata"]["name"] for one in house.prod.all("restores")])
    await answers[name == "r1"].reply("Only one restore per namespace can run at a time.")
    assert len(house.prod.all("restores")) == 1
