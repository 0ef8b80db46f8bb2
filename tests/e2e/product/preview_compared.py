"""Compares a preview with what a real Velero did: every object by its fate, and the phase of the restore."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from operations.restore_preview.preview import Fate, Preview, Row
from operations.restore_preview.reader import read_preview
from tests.e2e.api import Json
from tests.e2e.cluster import RealCluster
from tests.e2e.objects import restore
from velero.artifacts.resource_list import ItemOutcome
from velero.artifacts.results import ResultEntry
from velero.cluster import Cluster

Key = tuple[str, str]
"""Kind and name."""

DID: Mapping[Fate, frozenset[ItemOutcome]] = {
    Fate.NEW: frozenset({ItemOutcome.CREATED}),
    Fate.CHANGED: frozenset({ItemOutcome.UPDATED}),
    Fate.UNCHANGED: frozenset({ItemOutcome.SKIPPED, ItemOutcome.FAILED}),
    Fate.KEPT: frozenset({ItemOutcome.SKIPPED, ItemOutcome.FAILED}),
    Fate.IMMUTABLE: frozenset({ItemOutcome.FAILED}),
    Fate.TERMINATING: frozenset({ItemOutcome.SKIPPED, ItemOutcome.FAILED}),
    Fate.EXCLUDED: frozenset({ItemOutcome.SKIPPED}),
    Fate.REFUSED: frozenset({ItemOutcome.FAILED}),
    Fate.NOT_SERVED: frozenset({ItemOutcome.FAILED}),
    Fate.UNREAD: frozenset(ItemOutcome),
}
"""The results that Velero may list for each fate: it lists existing, different objects as `failed`."""
REWRITTEN = frozenset({"PersistentVolumeClaim", "Service", "PersistentVolume", "CustomResourceDefinition"})
"""Under update Velero writes these once more although they are equal; seen, and their spec stays as it was."""
FILLED = frozenset({*REWRITTEN, "Job", "Pod"})
"""Velero warns of these although they are equal: it compares what a server filled in, and who wrote what when."""
BY_THE_CLUSTER = frozenset({"kube-root-ca.crt", "default"})
"""Made by controllers in every namespace, whenever they come to it."""
CLONE = "velero-clone-"


@dataclass(frozen=True, slots=True)
class Done:
    """How a restore ended."""

    object: Json
    listed: Mapping[Key, ItemOutcome]
    warnings: tuple[ResultEntry, ...]
    errors: tuple[ResultEntry, ...]

    @property
    def phase(self) -> str:
        return str(self.object["status"]["phase"])

    @property
    def warned(self) -> frozenset[str]:
        return frozenset(entry.name for entry in self.warnings) - {""}

    def said(self, *words: str) -> list[ResultEntry]:
        """Errors with these words."""
        return [entry for entry in self.errors if all(word in f"{entry.name} {entry.message}" for word in words)]


async def foretold_and_done(
    cluster: RealCluster, eyes: Cluster, name: str, of: str, **spec: Any
) -> tuple[Preview, Done]:
    foretold = await read_preview(manifest := restore(name, of, **spec), eyes)
    await cluster.api.create("restores", manifest)
    return foretold, await done(cluster, eyes, name)


async def done(cluster: RealCluster, eyes: Cluster, name: str) -> Done:
    ended = await cluster.api.wait_phase("restores", name, "Completed", "PartiallyFailed", within=120)
    listed = await eyes.artifacts.resources(name, restore=True)
    results = await eyes.artifacts.results(name, restore=True)
    return Done(ended, {(one.kind, one.name): one.outcome for one in listed}, results.warnings, results.errors)


def fates(foretold: Preview) -> dict[Key, Fate]:
    return {(row.kind, row.name): row.fate for row in foretold.rows if row.name not in BY_THE_CLUSTER}


def row(foretold: Preview, kind: str, name: str) -> Row:
    return next(one for one in foretold.rows if (one.kind, one.name) == (kind, name))


def agree(foretold: Preview, real: Done) -> None:
    """Object by object; then phase, errors and warnings."""
    told = {found_as(one): one for one in foretold.rows if one.name not in BY_THE_CLUSTER}
    listed = {renamed(key): outcome for key, outcome in real.listed.items() if key[1] not in BY_THE_CLUSTER}
    assert set(told) == set(listed), set(told) ^ set(listed)
    wrong = {key: (told[key].fate, listed[key]) for key in told if not fits(told[key], listed[key])}
    assert not wrong, wrong
    assert foretold.phase == real.phase, (foretold.errors, real.errors)
    assert bool(foretold.errors) == bool(real.errors)
    warned = {one.name for one in foretold.rows if one.is_warning}
    assert warned <= real.warned, warned - real.warned
    unseen = {one.name for one in foretold.rows if one.kind in FILLED or one.fate in {Fate.UNREAD, Fate.TERMINATING}}
    assert real.warned - warned <= unseen, real.warned - warned - unseen


def fits(told: Row, listed: ItemOutcome) -> bool:
    rewritten = told.fate is Fate.UNCHANGED and told.kind in REWRITTEN and listed is ItemOutcome.UPDATED
    return listed in DID[told.fate] or rewritten


def found_as(told: Row) -> Key:
    return told.kind, CLONE if "under a new name" in told.why else told.name


def renamed(key: Key) -> Key:
    return key[0], CLONE if key[1].startswith(CLONE) else key[1]


@asynccontextmanager
async def seeing(cluster: RealCluster, **kinds: str) -> AsyncIterator[None]:
    """Lets the bot read these kinds inside the block, as `plural=group`."""
    rules = [{"apiGroups": [group], "resources": [plural], "verbs": ["get", "list"]} for plural, group in kinds.items()]
    meta = {"metadata": {"name": "previews-of-more"}}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", **meta, "rules": rules}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "previews-of-more"}
    bot = {"kind": "User", "name": "bot", "apiGroup": RBAC}
    bound = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRoleBinding", **meta, "roleRef": reference, "subjects": [bot]}
    await cluster.api.apply(role, bound)
    try:
        await asyncio.gather(*(noticed(cluster, plural, group) for plural, group in kinds.items()))
        yield
    finally:
        for plural in ("clusterrolebindings", "clusterroles"):
            await cluster.api.do("DELETE", f"/apis/{RBAC}/v1/{plural}/previews-of-more")


RBAC = "rbac.authorization.k8s.io"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


async def noticed(cluster: RealCluster, plural: str, group: str) -> None:
    asked = {"resourceAttributes": {"verb": "list", "group": group, "resource": plural}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": asked}
    mine = cluster.api_as(cluster.bot_token)
    async with asyncio.timeout(20):
        while not (await mine.do("POST", REVIEWS, review))["status"]["allowed"]:
            await asyncio.sleep(0.02)
