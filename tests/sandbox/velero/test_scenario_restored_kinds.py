"""Restores, kind by kind: what comes along with what is asked for, what is left out, refused, renamed or changed."""

import json

import pytest

from tests.sandbox.velero.test_scenario_restores import actions


async def modifiers(world, *rules):
    document = json.dumps({"version": "v1", "resourceModifierRules": list(rules)})
    await world.create("configmaps", "mods", data={"m.yaml": document})
    return {"resourceModifier": {"kind": "ConfigMap", "name": "mods"}}


def colored(color, resource="configmaps", **conditions):
    patch = {"operation": "replace", "path": "/data/color", "value": color}
    return {"conditions": {"groupResource": resource, **conditions}, "patches": [patch]}


async def copied(world, *rules):
    """The color of a copy's ConfigMap."""
    reference = await modifiers(world, *rules)
    await world.backup("b")
    only = {"includedResources": ["configmaps"], "namespaceMapping": {"shop": "copy"}}
    restore = await world.restore("r", "b", **only, **reference)
    return restore, (await world.get("configmaps", "settings-0", "copy"))["data"]["color"]


@pytest.mark.parametrize(
    ("rules", "color"),
    [
        ([colored("red", "*")], "red"),
        ([colored("red", "**")], "red"),
        ([colored("red", "config*")], "red"),
        ([colored("red", "*.apps")], "green"),
        ([colored("red", namespaces=["sh*"])], "red"),
        ([colored("red"), colored("blue", matches=[{"path": "/data/color", "value": "green"}])], "blue"),
        ([colored("red"), colored("blue", matches=[{"path": "/data/color", "value": "red"}])], "red"),
    ],
)
async def test_which_objects_a_modifier_means(world, rules, color):
    restore, became = await copied(world, *rules)
    assert (restore["status"]["phase"], became) == ("Completed", color)


async def test_a_modifier_whose_test_fails_does_nothing(world):
    rule = colored("red")
    rule["patches"].append({"operation": "test", "path": "/data/color", "value": "blue"})
    restore, became = await copied(world, rule)
    assert (restore["status"]["phase"], became) == ("Completed", "green")


async def test_a_modifier_that_cannot_be_applied_is_an_error_and_the_object_comes_back(world, outside):
    rule = {
        "conditions": {"groupResource": "configmaps", "resourceNameRegex": "^settings-0$"},
        "patches": [{"operation": "remove", "path": "/data/nothing"}],
    }
    restore, became = await copied(world, rule)
    assert (restore["status"]["phase"], restore["status"]["errors"], became) == ("PartiallyFailed", 1, "green")
    results, listed = outside.restored("r")
    assert results["errors"]["namespaces"]["copy"][0].startswith("error in applying patch error in applying JSON Patch")
    assert actions(listed)["ConfigMap:settings-0"] == "created"


async def test_service_accounts_gain_labels_and_keep_their_own(world, outside):
    await world.create("serviceaccounts", "web", namespace="shop", metadata={"labels": {"a": "1", "b": "1"}})
    await world.backup("b")
    await world.patch("serviceaccounts", "web", {"metadata": {"labels": {"a": "2", "b": None}}}, "shop")
    await world.restore("r", "b")
    labels = (await world.get("serviceaccounts", "web", "shop"))["metadata"]["labels"]
    assert {key: labels[key] for key in ("a", "b")} == {"a": "2", "b": "1"}
    assert actions(outside.restored("r")[1])["ServiceAccount:web"] == "updated"


async def test_namespaces_that_nothing_is_in_come_with_everything_alone(world, outside):
    await world.create("namespaces", "other", namespace=None)
    await world.backup("b", ("shop", "other"))
    await world.vanish("other")
    await world.restore("chosen", "b", includedNamespaces=["other"])
    assert outside.restored("chosen")[1] == {}
    await world.restore("all", "b")
    assert outside.restored("all")[1]["v1/Namespace"] == ["other(created)"]


async def test_an_object_that_is_being_deleted_is_taken_as_there(world, outside):
    await world.backup("b")
    await world.patch("configmaps", "settings-0", {"metadata": {"finalizers": ["example.org/last"]}}, "shop")
    await world.delete("configmaps", "settings-0", "shop")
    await world.restore("r", "b")
    assert actions(outside.restored("r")[1])["ConfigMap:settings-0"] in {"skipped", "failed"}
    await world.patch("configmaps", "settings-0", {"metadata": {"finalizers": None}}, "shop")
    assert await world.get("configmaps", "settings-0", "shop") is None
