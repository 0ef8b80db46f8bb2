"""A restore into another cluster: what differs there is said before, with what to do about it."""

import pytest

from commands.planning.context import ClusterView
from domain.errors import NotFound
from tests.commands.shelf import Shelf, backup, location, namespace, situation

LINE = "restore create r1 --from-backup b1 --include-namespaces shop --to-cluster dr"
MADE_ON_1_33 = {
    "velero.io/source-cluster-k8s-major-version": "1",
    "velero.io/source-cluster-k8s-minor-version": "33",
}


def dr(velero: str = "v1.18.2", kubernetes: str = "v1.33.4", *, marks: dict[str, str] | None = None) -> Shelf:
    """The other cluster, with a backup of prod in it."""
    here = ClusterView("dr", server_version=velero, kubernetes=kubernetes)
    prod = ClusterView("prod", server_version="v1.18.0", kubernetes="v1.33.1")
    known = {"prod": prod, "dr": here}
    held = Shelf(situation=situation(cluster=here, clusters=known, channel_cluster="prod"))
    copied = backup("b1", includedNamespaces=["shop"])
    copied["metadata"]["annotations"] = MADE_ON_1_33 if marks is None else marks
    return (
        held.put("backups", copied)
        .put("backupstoragelocations", location("default", accessMode="ReadOnly"))
        .put("namespaces", namespace("shop"))
    )


def said(shelf: Shelf, line: str = LINE) -> dict[str, str]:
    """Only the warnings about clusters."""
    return {guard.code: guard.text for guard in shelf.plans(line).guards if not guard.code.startswith("restores-")}


def test_identical_clusters_have_no_warning() -> None:
    assert said(dr()) == {}


def test_patch_versions_are_ignored() -> None:
    assert "velero-version" not in said(dr("v1.18.9"))


def test_a_newer_kubernetes_is_a_warning() -> None:
    text = said(dr(kubernetes="v1.36.0"))["kubernetes-version"]
    assert "comes from Kubernetes 1.33; dr runs 1.36" in text
    assert "restore plan` lists them" in text


def test_an_older_kubernetes_is_a_warning() -> None:
    text = said(dr(kubernetes="v1.31.2+k3s1"))["kubernetes-version"]
    assert "dr runs 1.31, which is older" in text
    assert "--exclude-resources" in text


def test_a_minor_version_with_a_plus_is_read() -> None:
    marks = {**MADE_ON_1_33, "velero.io/source-cluster-k8s-minor-version": "33+"}
    assert said(dr(marks=marks)) == {}


@pytest.mark.parametrize("minor", ["", "x", "²"])
def test_an_unreadable_version_is_ignored(minor: str) -> None:
    marks = {**MADE_ON_1_33, "velero.io/source-cluster-k8s-minor-version": minor}
    assert said(dr(kubernetes="v1.36.0", marks=marks)) == {}


def test_an_unknown_target_version_is_a_warning() -> None:
    assert "API versions that dr doesn't serve aren't restored" in said(dr(kubernetes=""))["kubernetes-version"]


def test_an_older_velero_should_be_upgraded_first() -> None:
    text = said(dr("v1.16.1"))["velero-version"]
    assert "Velero is v1.18.0 in prod and v1.16.1 in dr" in text
    assert "Upgrade Velero in dr first." in text


def test_a_newer_velero_can_read_older_backups() -> None:
    assert "upgrade Velero in prod to the same version" in said(dr("v1.19.0"))["velero-version"]


def test_the_cluster_in_the_command_is_the_source() -> None:
    held = dr()
    old = ClusterView("old", server_version="v1.15.0")
    held.situation = situation(
        cluster=held.situation.cluster, clusters={**held.situation.clusters, "old": old}, channel_cluster="prod"
    )
    assert "v1.15.0 in old" in said(held, f"{LINE} --cluster old")["velero-version"]


def test_an_unknown_velero_is_not_compared() -> None:
    assert said(dr("")) == {}


def test_moved_data_needs_a_recent_velero() -> None:
    held = dr("v1.11.1")
    held.objects["backups"][0]["spec"]["snapshotMoveData"] = True
    assert "Upgrade it to 1.12 or later." in said(held)["data-mover"]
    assert "data-mover" in [guard.code for guard in held.plans(LINE).refusals()]


def test_moved_data_with_a_recent_velero() -> None:
    held = dr()
    held.objects["backups"][0]["spec"]["snapshotMoveData"] = True
    assert said(held) == {}


def test_a_writable_shared_location_is_a_warning() -> None:
    held = dr()
    held.objects["backupstoragelocations"] = [location("default")]
    assert "--access-mode ReadOnly --cluster dr" in said(held)["shared-location"]


def test_within_one_cluster_nothing_is_compared() -> None:
    assert said(dr("v1.16.1", "v1.31.0"), "restore create r1 --from-backup b1 --include-namespaces shop") == {}


def test_an_unsynced_backup_is_an_error() -> None:
    held = dr()
    held.objects["backups"].clear()
    with pytest.raises(NotFound, match="Backup `b1` doesn't exist in dr, or Velero there hasn't synced it yet"):
        held.plans(LINE)
