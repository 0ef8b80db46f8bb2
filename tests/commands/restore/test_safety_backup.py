"""The command decides about a safety backup, else a rule, else the settings."""

from typing import Any

import pytest

from tests.commands.shelf import Shelf, backup, location, namespace, situation
from tests.policy.people import rules

LINE = "restore create r1 --from-backup b1 --include-namespaces shop"
WANTED = {
    "who": "anyone", "what": ["restore.create"], "namespaces": ["shop"], "effect": "allow", "safety_backup": True,
}  # fmt: skip
SPARED = {**WANTED, "safety_backup": False}


def shelf(*table: dict[str, Any], default: bool = False) -> Shelf:
    held = Shelf(situation=situation(rules=rules(*table), safety_backup=default))
    return (
        held.put("backups", backup("b1", includedNamespaces=["shop"]))
        .put("backupstoragelocations", location("default", default=True))
        .put("namespaces", namespace("shop"))
    )


def step_names(held: Shelf, line: str = LINE) -> list[str]:
    return [step.name for step in held.plans(line).steps]


@pytest.mark.parametrize(
    ("table", "default", "flag", "expected"),
    [
        ((), False, "", False),
        ((), True, "", True),
        ((WANTED,), False, "", True),
        ((SPARED,), True, "", False),
        ((WANTED,), False, "--safety-backup=false", False),
        ((SPARED,), True, "--safety-backup", True),
    ],
)
def test_the_command_before_the_rules_before_the_settings(
    table: tuple[dict[str, Any], ...], default: bool, flag: str, expected: bool
) -> None:
    assert step_names(shelf(*table, default=default), f"{LINE} {flag}") == (["r1-safety", "r1"] if expected else ["r1"])


def test_the_note_names_the_rule() -> None:
    assert "nothing is restored. Required by rule `r0`." in "\n".join(shelf(WANTED).plans(LINE).notes)
    assert "No safety backup: rule `r0` doesn't require one." in "\n".join(shelf(SPARED).plans(LINE).notes)


def test_a_preview_includes_the_safety_backup() -> None:
    assert step_names(shelf(WANTED), LINE.replace("create", "plan")) == ["r1-safety", "r1"]
