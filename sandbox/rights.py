"""The bot's permissions in a sandbox cluster, read from deploy/, so that tests show a missing or superfluous one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from domain.json_types import Json
from sandbox.kubernetes.auth import Grant, User

DEPLOY = Path(__file__).parents[1] / "deploy"
RIGHTS = (
    DEPLOY / "rights" / "role.yaml",
    DEPLOY / "rights" / "clusterrole.yaml",
    DEPLOY / "components" / "previews" / "clusterrole.yaml",
)
"""The roles with the opt-in for previews."""


def bot_user() -> User:
    found = (each for path in RIGHTS for each in yaml.safe_load_all(path.read_text("utf-8")))
    return User("bot", granted(role for role in found if role and role["kind"] in {"Role", "ClusterRole"}))


def granted(roles: Iterable[Json]) -> tuple[Grant, ...]:
    """Convert roles to the emulated cluster's grants."""
    return tuple(
        Grant(
            [
                f"{resource}.{group}" if group else resource
                for group in rule["apiGroups"]
                for resource in rule["resources"]
            ],
            rule["verbs"],
            [role["metadata"].get("namespace", "*")],
            rule.get("resourceNames", ["*"]),
        )
        for role in roles
        for rule in role["rules"]
    )
