"""Spellings of resources in a backup's lists on a real server, compared with the resolver of the policy tests.

All backups run at once, each of one small namespace.
"""

import asyncio

import pytest

from tests.e2e.api import Json
from tests.e2e.cluster import RealCluster, namespace
from tests.e2e.objects import backup, config_map
from tests.e2e.product.preview_objects import account, made, secret
from tests.policy import restmapper
from tests.policy.restmapper import RBAC, Api
from velero.cluster import Cluster

SPACE = "spellings"
SERVED = (
    Api("", "configmaps", "configmap", ("cm",)),
    Api("", "secrets", "secret"),
    Api("", "serviceaccounts", "serviceaccount", ("sa",)),
    Api(RBAC, "roles", "role"),
    Api(RBAC, "rolebindings", "rolebinding"),
)
KINDS = {
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "ServiceAccount": "serviceaccounts",
    "Role": f"roles.{RBAC}",
    "RoleBinding": f"rolebindings.{RBAC}",
}
EXCLUDED = (
    ["roles"],
    ["Roles"],
    ["ROLE"],
    ["roles.rbac"],
    [f"Roles.{RBAC}"],
    [f"roles.{RBAC.upper()}"],
    ["roles ", "rolebindings\t"],
    ["roles\u00a0"],
    ["roles\u200b"],
    ["secrets."],
    ["sa", "SA"],
    ["cm."],
    ["secret.v1"],
    ["rol*"],
    ["secret?"],
    ["[", "roles", "secrets"],
    ["roles", "secrets", "{"],
    ["ro\\les"],
    ["roleLists"],
    [""],
)
INCLUDED = (["Role", "sa"], ["sec*"], ["secrets "], ["roles.r", "configmap"], ["SA"], ["conf\u0130gmaps"])
CASES = [*((f"without-{at}", "excludedResources", words) for at, words in enumerate(EXCLUDED))] + [
    (f"with-{at}", "includedResources", words) for at, words in enumerate(INCLUDED)
]


@pytest.fixture(scope="module")
async def taken(cluster: RealCluster, eyes: Cluster) -> dict[str, set[str]]:
    """The resources in the backup of each case, by the name of the case."""
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "reader"}
    subject = {"kind": "ServiceAccount", "name": "web", "namespace": SPACE}
    await cluster.api.apply(
        namespace(SPACE),
        config_map("settings", SPACE, mode="x"),
        secret(SPACE, "password", "x"),
        account(SPACE, "web"),
        made(SPACE, f"{RBAC}/v1", "Role", "reader", rules=[rule]),
        made(SPACE, f"{RBAC}/v1", "RoleBinding", "reader", roleRef=reference, subjects=[subject]),
    )
    bodies: list[Json] = [
        backup(f"{SPACE}-{name}", SPACE, includeClusterResources=False, **{field: words})
        for name, field, words in CASES
    ]
    await asyncio.gather(*(cluster.api.create("backups", body) for body in bodies))
    found = {}
    for name, _, _ in CASES:
        await cluster.api.wait_phase("backups", f"{SPACE}-{name}", "Completed", "PartiallyFailed", within=180)
        listed = await eyes.artifacts.resources(f"{SPACE}-{name}")
        found[name] = {KINDS[one.kind] for one in listed if one.kind in KINDS}
    return found


@pytest.mark.parametrize(("name", "field", "words"), CASES, ids=[name for name, _, _ in CASES])
async def test_a_spelling_means_what_our_resolver_says(
    taken: dict[str, set[str]], name: str, field: str, words: list[str]
) -> None:
    included, excluded = (words, []) if field == "includedResources" else ([], words)
    assert taken[name] == restmapper.taken(included, excluded, SERVED)
