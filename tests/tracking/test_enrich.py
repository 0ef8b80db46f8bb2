"""What is told of a restore's end beside its phase: errors in groups, news among the warnings, what to look at and do."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from domain.errors import NotUploaded
from domain.event import Event, Severity
from tracking.enrichment import enrich
from velero.artifacts.results import results_of

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RECORDED = Path(__file__).parents[1] / "data" / "recordings" / "artifacts"


def ended(name, what, **facts):
    return Event(
        kind=f"restore.{what}", cluster="prod", cluster_uid="", object_kind="Restore", object_uid="u1", object_name=name,
        transition=what, at=NOW, severity=Severity.INFO, facts=facts,
    )  # fmt: skip


class Artifacts:
    """What a real Velero left of that restore; for others nothing was uploaded."""

    def __init__(self):
        self.asked = []

    async def results(self, name, *, restore=False):
        assert restore
        self.asked.append(name)
        path = RECORDED / name / "RestoreResults.json"
        if not path.exists():
            raise NotUploaded(f"RestoreResults of {name} is not there (yet).")
        return results_of(path.read_bytes())


@pytest.fixture
def artifacts():
    return Artifacts()


async def told(artifacts, event):
    return await enrich(event, SimpleNamespace(artifacts=artifacts))


async def test_routine_warnings_are_one_line(artifacts):
    found = await told(artifacts, ended("r-changed", "completed", warnings=23))
    assert found["routine"] == "23 objects already existed and were left unchanged."
    assert (found["errors"], found["warnings"]) == ([], [])


async def test_errors_come_in_groups_with_the_next_step(artifacts):
    found = await told(artifacts, ended("r-fsbackup", "partially-failed", errors=7))
    assert 0 < len(found["errors"]) < 7
    assert any("provided port is already allocated" in each for each in found["errors"])
    assert found["hint"] == "A node port is already in use: exclude services, or change the port with --modifier."


async def test_what_to_look_at_now_names_the_restore(artifacts):
    found = await told(artifacts, ended("r1", "completed"))
    assert found == {"check": "kubectl get pods,pvc -A -l velero.io/restore-name=r1"}
    assert artifacts.asked == []


async def test_a_name_too_long_for_a_label_is_not_asked_for(artifacts):
    assert not (await told(artifacts, ended("r" * 64, "completed"))).get("check")


async def test_results_that_were_never_uploaded_hide_nothing_else(artifacts):
    found = await told(
        artifacts, ended("r1", "failed", errors=1, failure_reason='found a restore with status "InProgress"')
    )
    assert "restarted during the run" in found["hint"]
