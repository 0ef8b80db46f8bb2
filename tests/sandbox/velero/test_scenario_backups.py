"""A backup's life in the watch, what is written for it, and every reason not to start it."""

from datetime import datetime, timedelta

import pytest

from sandbox.velero.files import contents
from sandbox.velero.settings import VeleroSettings


async def test_small_backup_is_eight_lines(world):
    await world.backup("nightly")
    assert [line.type for line in world.seen("backups", "nightly")] == ["ADDED"] + 7 * ["MODIFIED"]
    assert [line.phase for line in world.seen("backups", "nightly")] == [
        "",
        "Queued",
        "ReadyToStart",
        "InProgress",
        "InProgress",
        "InProgress",
        "Finalizing",
        "Completed",
    ]
    assert [line.object["metadata"]["generation"] for line in world.seen("backups", "nightly")] == list(range(1, 9))


async def test_progress_first_says_the_total_and_then_that_it_is_done(world):
    await world.backup("nightly")
    told = [line.object["status"].get("progress") for line in world.seen("backups", "nightly")[3:6]]
    assert told == [None, {"totalItems": 6}, {"totalItems": 6, "itemsBackedUp": 6}]


async def test_server_writes_its_defaults_into_the_spec(world):
    await world.create("backups", "bare", {})
    backup = await world.ended("backups", "bare")
    assert backup["spec"] == {
        "csiSnapshotTimeout": "10m0s",
        "defaultVolumesToFsBackup": False,
        "excludedClusterScopedResources": ["volumesnapshotcontents.snapshot.storage.k8s.io"],
        "excludedNamespaceScopedResources": ["volumesnapshots.snapshot.storage.k8s.io"],
        "includedNamespaces": ["*"],
        "itemOperationTimeout": "4h0m0s",
        "snapshotMoveData": False,
        "storageLocation": "default",
        "ttl": "720h0m0s",
        "volumeGroupSnapshotLabelKey": "velero.io/volume-group",
    }
    assert backup["metadata"]["labels"] == {"velero.io/storage-location": "default"}
    assert backup["metadata"]["annotations"]["velero.io/source-cluster-k8s-minor-version"] == "35"


async def test_old_filters_get_their_own_excludes(world):
    backup = await world.backup("old", includedResources=["configmaps"])
    assert backup["spec"]["excludedResources"] == [
        "volumesnapshots.snapshot.storage.k8s.io",
        "volumesnapshotcontents.snapshot.storage.k8s.io",
    ]
    assert "excludedNamespaceScopedResources" not in backup["spec"]


def kept_for(backup):
    """Expiry is counted from about the start."""
    started, expiration = (datetime.fromisoformat(backup["status"][x]) for x in ("startTimestamp", "expiration"))
    return timedelta(hours=round((expiration - started) / timedelta(hours=1)))


async def test_zero_durations_count_as_unset(world):
    backup = await world.backup("zeros", ttl="0s", csiSnapshotTimeout="0s", itemOperationTimeout="0s")
    assert backup["spec"]["ttl"] == "720h0m0s"
    assert kept_for(backup) == timedelta(days=30)


async def test_missing_namespace_makes_it_partial(world, outside):
    backup = await world.backup("half", ("shop", "gone"))
    assert world.phases("backups", "half")[-2:] == ["FinalizingPartiallyFailed", "PartiallyFailed"]
    assert backup["status"]["errors"] == 1
    text = " resource: /namespaces message: /fail to get the namespace gone specified in backup.Spec.IncludedNamespaces"
    assert outside.results("half") == {"errors": {"velero": [text]}, "warnings": {}}


async def test_a_glob_that_matches_nothing_is_no_error(world):
    backup = await world.backup("glob", ("sh*", "nothing-*"))
    assert backup["status"]["phase"] == "Completed"


@pytest.mark.parametrize(
    ("spec", "errors"),
    [
        (
            {"includedNamespaces": ["a"], "excludedNamespaces": ["a"]},
            ["Invalid included/excluded namespace lists: excludes list cannot contain an item in the includes list: a"],
        ),
        (
            {"labelSelector": {"matchLabels": {"a": "b"}}, "orLabelSelectors": [{"matchLabels": {"c": "d"}}]},
            ["encountered labelSelector as well as orLabelSelectors in backup spec, only one can be specified"],
        ),
        (
            {"includedNamespaces": ["*", "shop"]},
            [
                (
                    "Invalid included/excluded namespace lists: "
                    "includes list must either contain '*' only, or a non-empty list of items"
                )
            ],
        ),
        (
            {"excludedNamespaces": ["*"]},
            [
                "Invalid included/excluded namespace lists: excludes list cannot contain '*'",
                (
                    "Invalid included/excluded namespace lists: "
                    "excludes list cannot contain an item in the includes list: *"
                ),
            ],
        ),
        (
            {"includedNamespaces": ["sh**"]},
            [
                (
                    "Invalid included/excluded namespace lists: "
                    "wildcard pattern contains consecutive asterisks (only single * allowed)"
                )
            ],
        ),
        (
            {"volumeSnapshotLocations": ["gone"]},
            [
                (
                    "a VolumeSnapshotLocation CRD for the location gone with the name specified in the backup spec needs to "
                    'be created before this snapshot can be executed. Error: VolumeSnapshotLocation.velero.io "gone" not '
                    "found"
                )
            ],
        ),
        (
            {"resourcePolicy": {"kind": "configmap", "name": "gone"}},
            [
                'fail to get ResourcePolicies velero/gone ConfigMap with error ConfigMap "gone" not found',
            ],
        ),
    ],
)
async def test_failed_validation(world, spec, errors):
    await world.create("backups", "bad", {"storageLocation": "default", **spec})
    backup = await world.ended("backups", "bad")
    assert world.phases("backups", "bad") == ["", "Queued", "ReadyToStart", "FailedValidation"]
    assert backup["status"]["validationErrors"] == errors
    assert backup["status"].keys() == {"phase", "validationErrors", "expiration", "formatVersion", "version"}


async def test_all_faults_come_together(world):
    spec = {
        "storageLocation": "gone",
        "volumeSnapshotLocations": ["gone"],
        "includedNamespaces": ["a"],
        "excludedNamespaces": ["a"],
    }
    await world.create("backups", "bad", spec)
    errors = (await world.ended("backups", "bad"))["status"]["validationErrors"]
    assert len(errors) == 3
    assert "default gone was not found" in errors[0]


async def test_old_and_new_filters_do_not_mix(world):
    spec = {"includedResources": ["pods"], "includedClusterScopedResources": ["persistentvolumes"]}
    await world.create("backups", "bad", spec)
    [error] = (await world.ended("backups", "bad"))["status"]["validationErrors"]
    assert error.endswith("They cannot be used together")


async def test_a_snapshot_location_without_its_secret_fails_every_backup(world):
    credential = {"name": "nobody", "key": "cloud"}
    await world.create("volumesnapshotlocations", "ebs", {"provider": "aws", "credential": credential})
    backup = await world.backup("any", snapshotVolumes=False)
    assert backup["status"]["validationErrors"] == [
        (
            "error adding credentials to volume snapshot location named ebs: unable to get credentials: "
            'unable to get key for secret: Secret "nobody" not found'
        )
    ]


async def test_two_snapshot_locations_of_one_provider_have_to_be_named(world):
    for name in ("a", "b"):
        await world.create("volumesnapshotlocations", name, {"provider": "aws"})
    [error] = (await world.backup("any"))["status"]["validationErrors"]
    assert error.startswith("provider aws has more than one possible volume snapshot location")
    chosen = await world.backup("named", volumeSnapshotLocations=["b"])
    assert chosen["status"]["phase"] == "Completed"


async def test_malformed_ttl_stops_all_processing_until_it_is_deleted(world):
    await world.create("backups", "poison", {"ttl": "30d", "storageLocation": "default"})
    await world.create("backups", "innocent", {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await world.pause(300)
    assert world.phases("backups", "poison") == [""]
    assert world.phases("backups", "innocent") == [""]
    await world.delete("backups", "poison")
    assert (await world.ended("backups", "innocent"))["status"]["phase"] == "Completed"


async def test_malformed_ttl_of_a_schedule_stops_schedules_only(world):
    await world.create("schedules", "poison", {"schedule": "* * * * *", "template": {"ttl": "1w"}})
    await world.create("schedules", "innocent", {"schedule": "* * * * *", "template": {}})
    await world.pause(200)
    assert world.phases("schedules", "innocent") == [""]
    assert (await world.backup("fine"))["status"]["phase"] == "Completed"


async def test_negative_ttl_completes_with_an_expiry_in_the_past(world):
    await world.create("backups", "past", {"includedNamespaces": ["shop"], "storageLocation": "default", "ttl": "-1h"})
    await world.gone("backups", "past", 12)
    *_, backup = [x.object for x in world.seen("backups", "past") if x.phase == "Completed"]
    assert kept_for(backup) == timedelta(hours=-1)


async def test_name_used_before_in_the_bucket_fails(world, outside):
    outside.bucket.put("backups/again/velero-backup.json", b"{}")
    backup = await world.backup("again")
    assert backup["status"]["phase"] == "Failed"
    assert backup["status"]["failureReason"] == "backup already exists in object storage"
    assert "completionTimestamp" in backup["status"]


async def test_five_thousand_objects_are_over_before_a_bar_could_move(world):
    await world.create("namespaces", "big", namespace=None)
    for number in range(5000):
        await world.create("configmaps", f"c{number}", namespace="big")
    backup = await world.backup("big", ("big",))
    assert len(world.seen("backups", "big")) <= 10
    assert backup["status"]["progress"] == {"itemsBackedUp": 5001, "totalItems": 5001}


async def test_what_is_labelled_stays_out(world, outside):
    label = {"labels": {"velero.io/exclude-from-backup": "true"}}
    await world.create("configmaps", "private", namespace="shop", metadata=label)
    await world.backup("nightly")
    listed = outside.file("backups/nightly/nightly-resource-list.json.gz")
    assert listed["v1/ConfigMap"] == [f"shop/settings-{n}" for n in range(4)]


async def test_cluster_objects_come_as_dependencies_or_when_asked_for(world, outside):
    await world.create("clusterroles", "reader", namespace=None, rules=[])
    await world.create("clusterroles", "other", namespace=None, rules=[])
    subject = {"kind": "ServiceAccount", "name": "web", "namespace": "shop"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"}
    await world.create("clusterrolebindings", "reader", namespace=None, subjects=[subject], roleRef=role)
    await world.create("serviceaccounts", "web", namespace="shop")
    await world.backup("one")
    await world.backup("all", ("*",))
    await world.backup("none", includeClusterResources=False)
    await world.backup("asked", ("*",), includeClusterResources=True)
    key = "rbac.authorization.k8s.io/v1/ClusterRole"
    assert outside.file("backups/one/one-resource-list.json.gz")[key] == ["reader"]
    assert outside.file("backups/all/all-resource-list.json.gz")[key] == ["reader"]
    assert {"other", "reader"} <= set(outside.file("backups/asked/asked-resource-list.json.gz")[key])
    assert key not in outside.file("backups/none/none-resource-list.json.gz")


async def test_a_selector_narrows_and_keeps_the_namespace(world, outside):
    await world.backup("narrow", labelSelector={"matchLabels": {"app": "web"}})
    assert outside.file("backups/narrow/narrow-resource-list.json.gz") == {
        "apps/v1/Deployment": ["shop/web"],
        "v1/Namespace": ["shop"],
    }


class TestWithoutKubelet:
    @pytest.fixture
    def settings(self):
        return VeleroSettings(exec_works=False)

    @pytest.mark.parametrize("on_error", [None, "Continue", "Fail"])
    async def test_a_hook_that_cannot_run_counts_twice_where_the_pod_is_left_out(self, world, outside, on_error):
        """Which it is only if that is said; the list of resources names it all the same."""
        for number in range(3):
            pod = {"containers": [{"name": "c", "image": "c:1"}], "nodeName": "node1"}
            await world.create("pods", f"web-{number}", pod, namespace="shop")
        hook = {"name": "h", "pre": [{"exec": {"command": ["/bin/true"], "container": "c"}}]}
        hook["pre"][0]["exec"] |= {"onError": on_error} if on_error else {}
        backup = await world.backup("hooked", hooks={"resources": [hook]})
        assert backup["status"]["phase"] == "PartiallyFailed"
        assert backup["status"]["hookStatus"] == {"hooksAttempted": 3, "hooksFailed": 3}
        left_out = 3 if on_error == "Fail" else 0
        assert backup["status"]["errors"] == 3 + left_out
        told = outside.results("hooked")["errors"]["velero"]
        assert len([text for text in told if "message: /Error executing hook error: /" in text]) == 3
        assert len([text for text in told if "message: /Error running pre hooks for pod error: /" in text]) == left_out
        listed = outside.file("backups/hooked/hooked-resource-list.json.gz")
        assert listed["v1/Pod"] == [f"shop/web-{number}" for number in range(3)]
        saved = contents(outside.bucket.get("backups/hooked/hooked.tar.gz"))
        assert len(saved.get("pods", [])) == 3 - left_out
