"""Restores: which objects a modifier means and what becomes of them, and namespaces for their own sake."""

import json

from tests.sandbox.velero.test_scenario_restores import actions

GLOBS = {"one": "*", "any": "**", "begun": "config*", "others": "*.apps"}
"""A star ends at a dot."""


def colored(name, color, resource="configmaps", **conditions):
    patch = {"operation": "replace", "path": "/data/color", "value": color}
    conditions = {"groupResource": resource, "resourceNameRegex": f"^{name}$", **conditions}
    return {"conditions": conditions, "patches": [patch]}


def saying(color):
    return {"matches": [{"path": "/data/color", "value": color}]}


def rules():
    yield from (colored(name, "red", glob) for name, glob in GLOBS.items())
    yield colored("there", "red", namespaces=["sh*"])
    yield from (colored("origin", "red"), colored("origin", "blue", **saying("green")))
    yield from (colored("after", "red"), colored("after", "blue", **saying("red")))
    tested = colored("tested", "red")
    tested["patches"].append({"operation": "test", "path": "/data/color", "value": "blue"})
    yield tested
    broken = colored("broken", "red")
    broken["patches"].append({"operation": "remove", "path": "/data/nothing"})
    yield broken


BECAME = {
    "one": "red",
    "any": "red",
    "begun": "red",
    "others": "green",
    "there": "red",
    "origin": "blue",
    "after": "red",
    "tested": "green",
    "broken": "green",
}


async def test_which_objects_a_modifier_means(world, outside):
    """Conditions go by the object before any rule; one that cannot be applied is an error, and its object comes back."""
    for name in BECAME:
        await world.create("configmaps", name, namespace="shop", data={"color": "green"})
    document = json.dumps({"version": "v1", "resourceModifierRules": list(rules())})
    await world.create("configmaps", "mods", data={"m.yaml": document})
    await world.backup("b")
    modifier = {"resourceModifier": {"kind": "ConfigMap", "name": "mods"}}
    mapped = {"includedResources": ["configmaps"], "namespaceMapping": {"shop": "copy"}}
    restore = await world.restore("r", "b", **mapped, **modifier)
    found = {name: (await world.get("configmaps", name, "copy"))["data"]["color"] for name in BECAME}
    assert found == BECAME
    assert (restore["status"]["phase"], restore["status"]["errors"]) == ("PartiallyFailed", 1)
    results, listed = outside.restored("r")
    assert results["errors"]["namespaces"]["copy"][0].startswith("error in applying patch error in applying JSON Patch")
    assert actions(listed)["ConfigMap:broken"] == "created"


async def test_namespaces_that_nothing_is_in_come_with_everything_alone(world, outside):
    await world.create("namespaces", "other", namespace=None)
    await world.backup("b", ("shop", "other"))
    await world.vanish("other")
    await world.restore("chosen", "b", includedNamespaces=["other"])
    assert outside.restored("chosen")[1] == {}
    await world.restore("all", "b")
    assert outside.restored("all")[1]["v1/Namespace"] == ["other(created)"]
