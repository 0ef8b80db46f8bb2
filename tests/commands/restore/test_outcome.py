"""What real restores left behind: errors are counted from the results alone, and routine warnings are folded."""

from pathlib import Path

import pytest

from commands.restore.outcome import lines, summarize_restore
from velero.artifacts.results import ResultEntry, Results, results_of

RECORDED = Path(__file__).parents[2] / "data" / "recordings" / "artifacts"


def recorded(name):
    return results_of((RECORDED / name / "RestoreResults.json").read_bytes())


def test_objects_that_were_there_are_no_news():
    found = summarize_restore(recorded("r-changed"))
    assert found.errors == ()
    assert found.warnings == ()
    assert dict(found.folded)["already existed and left unchanged"] > 0


def test_what_kubernetes_lets_nobody_change_is_folded_too():
    found = summarize_restore(recorded("r-update"))
    assert found.errors == ()
    assert sum(count for _, count in found.folded) >= 3
    assert all("immutable" not in group.message for group in found.warnings)


def test_a_missing_node_agent_has_a_next_step():
    found = summarize_restore(recorded("r-missing"))
    assert "daemonset not found" in lines(found.errors)
    assert "install it" in found.next_step


def test_nothing_at_all():
    found = summarize_restore(recorded("r-nothing"))
    assert (found.errors, found.warnings, found.folded, found.next_step) == ((), (), (), "")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated", "node port"),
        ('no matches for kind "Theme" in version "blog.example.com/v1"', "API version"),
        ("exceeded quota: compute", "quota"),
        ("timed out waiting for the condition", "too long"),
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
