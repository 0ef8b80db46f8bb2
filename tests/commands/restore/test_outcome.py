"""Outcomes of recorded restores: errors come from the results file alone, expected warnings are only counted."""

from pathlib import Path

import pytest

from commands.restore.outcome import lines, routine_line, summarize_restore
from velero.artifacts.results import ResultEntry, Results, results_of

RECORDED = Path(__file__).parents[2] / "data" / "recordings" / "artifacts"


def recorded(name):
    return results_of((RECORDED / name / "RestoreResults.json").read_bytes())


def test_existing_objects_are_expected_warnings():
    found = summarize_restore(recorded("r-changed"))
    assert found.errors == ()
    assert found.warnings == ()
    assert dict(found.folded)["already existed and {was} left unchanged"] > 0


def test_immutable_fields_are_expected_warnings():
    found = summarize_restore(recorded("r-update"))
    assert found.errors == ()
    assert sum(count for _, count in found.folded) >= 3
    assert all("immutable" not in group.message for group in found.warnings)


def test_expected_warnings_are_sentences():
    existing = ResultEntry("shop", "configmaps", "a", 'could not restore, configmaps "a" already exists')
    lease = ResultEntry("shop", "leases", "b", "conflict")
    assert routine_line(summarize_restore(Results(warnings=(existing,)))) == (
        "1 object already existed and was left unchanged."
    )
    assert routine_line(summarize_restore(Results(warnings=(existing, existing, lease)))) == (
        "2 objects already existed and were left unchanged. 1 object was created by the cluster itself."
    )


def test_a_missing_node_agent_has_a_next_step():
    found = summarize_restore(recorded("r-missing"))
    assert "daemonset not found" in lines(found.errors)
    assert "install it" in found.next_step


def test_an_empty_results_file():
    found = summarize_restore(recorded("r-nothing"))
    assert (found.errors, found.warnings, found.folded, found.next_step) == ((), (), (), "")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated", "node port"),
        ('no matches for kind "Theme" in version "blog.example.com/v1"', "API version"),
        ("exceeded quota: compute", "quota"),
        ("timed out waiting for the condition", "timed out"),
        ("something else", ""),
    ],
)
def test_the_next_step_follows_from_the_error(text, hint):
    found = summarize_restore(Results((ResultEntry("shop", "services", "web", text),)))
    assert hint in found.next_step
    assert bool(found.next_step) == bool(hint)


def test_the_same_error_of_many_objects_is_one_line():
    entries = tuple(ResultEntry("shop", "pods", f"web-{n}", "boom") for n in range(9))
    assert (
        lines(summarize_restore(Results(entries)).errors)
        == "pods shop/web-0, pods shop/web-1, pods shop/web-2 and 6 more: boom"
    )
