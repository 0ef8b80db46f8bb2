"""Each permission of the Role is needed: without it the answer names the missing one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.e2e.api import Json, Resource
from tests.e2e.objects import backup, make_shop, restore, schedule
from tests.e2e.product.shop import RealHouse, all_rights

RBAC = "rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
CORE = {"configmaps": "", "namespaces": "", "deployments": "apps"}


@asynccontextmanager
async def without(house: RealHouse, resource: str, verb: str) -> AsyncIterator[None]:
    """Removes one permission from the Role of `deploy/`, waits for the API server, and restores it afterwards."""
    roles = [role for role in all_rights() if "rules" in role and grants(role, resource, verb)]
    for role in roles:
        less = [narrowed(rule, resource, verb) for rule in role["rules"]]
        await put(house, role, [rule for rules in less for rule in rules])
    await noticed(house, resource, verb, allowed=False)
    try:
        yield
    finally:
        for role in roles:
            await put(house, role, role["rules"])
        await noticed(house, resource, verb, allowed=True)


async def put(house: RealHouse, role: Json, rules: list[Json]) -> None:
    plural = Resource(RBAC, f"{role['kind'].lower()}s")
    await house.api.patch(plural, role["metadata"]["name"], {"rules": rules}, role["metadata"].get("namespace"))


def grants(role: Json, resource: str, verb: str) -> bool:
    return any(resource in rule["resources"] and verb in rule["verbs"] for rule in role["rules"])


def narrowed(rule: Json, resource: str, verb: str) -> list[Json]:
    if resource not in rule["resources"] or verb not in rule["verbs"]:
        return [rule]
    others = [one for one in rule["resources"] if one != resource]
    verbs = [one for one in rule["verbs"] if one != verb]
    kept = [{**rule, "resources": others}] if others else []
    return [*kept, {**rule, "resources": [resource], "verbs": verbs}] if verbs else kept


async def noticed(house: RealHouse, resource: str, verb: str, *, allowed: bool) -> None:
    asked = {"namespace": "velero", "verb": verb, "group": CORE.get(resource, "velero.io"), "resource": resource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    mine = house.cluster.api_as(house.cluster.bot_token)
    async with asyncio.timeout(20):
        while (await mine.do("POST", REVIEWS, review))["status"]["allowed"] is not allowed:
            await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
async def standing(running: RealHouse) -> None:
    """The objects that the commands use."""
    await make_shop(running.api, "shop")
    await running.api.create("backups", backup("kept", "shop"))
    await running.api.create("schedules", schedule("rights", "0 1 1 1 *", "shop"))
    await running.api.wait_phase("backups", "kept", "Completed", within=90)
    await running.api.create("restores", restore("kept", of="kept"))
    await running.api.wait_phase("restores", "kept", "Completed", within=90)


@pytest.mark.parametrize(
    ("resource", "verb", "line"),
    [
        ("backups", "create", "backup create forbidden --include-namespaces shop"),
        ("restores", "delete", "restore delete kept"),
        ("schedules", "create", "schedule create forbidden --schedule '0 1 1 1 *' --include-namespaces shop"),
        ("schedules", "patch", "schedule pause rights"),
        ("schedules", "delete", "schedule delete rights"),
        ("deletebackuprequests", "create", "backup delete kept"),
        ("downloadrequests", "create", "backup logs kept"),
        ("serverstatusrequests", "create", "version"),
        (
            "backupstoragelocations",
            "create",
            "backup-location create forbidden --provider aws --bucket other",
        ),
        ("backupstoragelocations", "patch", "backup-location set default --validation-frequency 2m"),
        ("volumesnapshotlocations", "create", "snapshot-location create forbidden --provider aws"),
        ("backuprepositories", "list", "repo get"),
        (
            "configmaps",
            "get",
            "restore create forbidden --from-backup kept --include-namespaces shop --resource-modifier-configmap mine",
        ),
        ("namespaces", "list", "backup create forbidden --include-namespaces 'sho*'"),
    ],
)
async def test_a_missing_permission_is_named(
    house: RealHouse, standing: None, resource: str, verb: str, line: str
) -> None:
    async with without(house, resource, verb):
        answer = await house.grace.says(f"/velero {line}")
        await answer.reply(f"{verb} {resource}", deadline=30)
    assert await house.api.get("backups", "forbidden") is None
    assert await house.api.get("backups", "kept") is not None
