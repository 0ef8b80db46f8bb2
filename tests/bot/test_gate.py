"""The deploy gate's judgement: backups in, verdict and evidence out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from commands.deploy_gate import GateReason, GateRequest, candidates, judge
from velero.artifacts.volumes import Volume, VolumeDataState
from velero.resources.backups import backup_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ASKED = GateRequest(("shop",), timedelta(hours=24))


def backup(name="nightly", hours=2.0, phase="Completed", **spec):
    begun = NOW - timedelta(hours=hours)
    status = {
        "phase": phase,
        "startTimestamp": begun.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expiration": (begun + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return backup_of({"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": spec, "status": status})


def volume(claim="data", namespace="shop", data=VolumeDataState.IN_LOCATION):
    return Volume(namespace, claim, f"pv-{claim}", "", "", "PodVolumeBackup", data, (), 1, 0, None, None)


def verdict(*backups, asked=ASKED, volumes=None):
    return judge(backups, asked, NOW, volumes or {})


def test_a_young_good_backup_passes():
    found = verdict(backup())
    assert found.passed
    assert (found.evidence[0].backup, found.evidence[0].age) == ("nightly", 7200)
    assert found.text == "Namespace shop: backup nightly is 2 hours old."


def test_an_older_one_does_not():
    found = verdict(backup(hours=25))
    assert (found.passed, found.reason) == (False, GateReason.TOO_OLD)
    assert "25 hours old (limit: 1 day)" in found.text
    assert found.evidence[0].backup == "nightly"


def test_exactly_as_old_as_allowed_passes():
    assert verdict(backup(hours=24)).passed


@pytest.mark.parametrize("phase", ["PartiallyFailed", "Failed", "InProgress", "Deleting", "New", ""])
def test_only_completed_counts(phase):
    assert verdict(backup(phase=phase)).reason is GateReason.NO_BACKUP


@pytest.mark.parametrize(
    "spec",
    [
        {"includedNamespaces": ["billing"]},
        {"excludedNamespaces": ["shop"]},
        {"excludedNamespaces": ["sh*"]},
        {"labelSelector": {"matchLabels": {"app": "web"}}},
        {"orLabelSelectors": [{"matchLabels": {"app": "web"}}]},
        {"includedResources": ["configmaps"]},
        {"includedNamespaceScopedResources": ["pods"]},
    ],
)
def test_a_narrowed_backup_does_not_hold_the_namespace(spec):
    assert verdict(backup(**spec)).reason is GateReason.NO_BACKUP


@pytest.mark.parametrize(
    "spec", [{}, {"includedNamespaces": ["*"]}, {"includedNamespaces": ["shop"]}, {"includedNamespaces": ["sh*"]}]
)
def test_a_whole_one_does(spec):
    assert verdict(backup(**spec)).passed


def test_an_expired_backup_is_about_to_vanish():
    assert (
        verdict(backup(hours=24 * 31), asked=replace(ASKED, max_age=timedelta(days=60))).reason is GateReason.NO_BACKUP
    )


def test_the_newest_counts():
    assert verdict(backup("old", 20), backup("new", 1), backup("older", 23)).evidence[0].backup == "new"


def test_every_namespace_needs_one():
    asked = GateRequest(("shop", "billing"), timedelta(hours=24))
    found = verdict(backup(includedNamespaces=["shop"]), asked=asked)
    assert (found.passed, found.reason) == (False, GateReason.NO_BACKUP)
    assert "billing" in found.text
    assert verdict(backup(includedNamespaces=["shop"]), backup("b", includedNamespaces=["billing"]), asked=asked).passed


class TestVolumes:
    ASKED = replace(ASKED, require_volumes=True)

    def test_all_with_data_pass(self):
        assert verdict(backup(), asked=self.ASKED, volumes={"nightly": [volume()]}).passed

    @pytest.mark.parametrize("data", [VolumeDataState.NONE, VolumeDataState.FAILED, VolumeDataState.UNDER_WAY])
    def test_one_without_fails_and_is_named(self, data):
        found = verdict(backup(), asked=self.ASKED, volumes={"nightly": [volume(), volume("logs", data=data)]})
        assert found.reason is GateReason.VOLUMES_WITHOUT_DATA
        assert found.evidence[0].without_data == ("shop/logs",)

    def test_volumes_of_other_namespaces_do_not_matter(self):
        volumes = {"nightly": [volume(), volume(namespace="billing", data=VolumeDataState.NONE)]}
        assert verdict(backup(), asked=self.ASKED, volumes=volumes).passed

    def test_a_list_that_cannot_be_read_proves_nothing(self):
        assert verdict(backup(), asked=self.ASKED, volumes={"nightly": None}).reason is GateReason.VOLUMES_UNKNOWN

    def test_an_older_one_that_has_the_data_will_do(self):
        volumes = {"new": [volume(data=VolumeDataState.NONE)], "nightly": [volume()]}
        found = verdict(backup(), backup("new", 1), asked=self.ASKED, volumes=volumes)
        assert found.evidence[0].backup == "nightly"

    def test_only_the_newest_few_are_looked_into(self):
        many = [backup(f"b{hour}", hour) for hour in range(10)]
        assert candidates(many, self.ASKED, NOW) == ("b0", "b1", "b2")
        assert candidates(many, ASKED, NOW) == ()


def test_the_verdict_is_json():
    told = verdict(backup(), backup("x", includedNamespaces=["billing"])).as_json()
    assert told["reason"] == "fresh"
    assert told["evidence"][0]["age_seconds"] == 7200
