"""Finds the values of secrets in documents that a command carries or names.

The bot stores every command and its manifests in clear, so it refuses such documents before it stores anything. The
document is searched as text and not parsed as YAML: the check must cost nothing on a hostile document, and a form that
it doesn't recognize harms only its author.
"""

from __future__ import annotations

import re

from domain.errors import Refused
from store.scrub import scrub

_SECRET_KIND = re.compile(r"\bsecrets?\b", re.IGNORECASE)
_DATA_FIELD = re.compile(r"(?<![a-z-])(?:data|stringData)\b", re.IGNORECASE)
_VALUE = re.compile(r"\b(?:value|patchData)\b")


def carries_secret(document: str) -> bool:
    """Whether a modifier sets the data of a Secret, or holds what looks like a credential anywhere."""
    sets_data = all(pattern.search(document) for pattern in (_SECRET_KIND, _DATA_FIELD, _VALUE))
    return sets_data or scrub(document) != document


def refuse_secrets_in_document(name: str, document: str) -> None:
    """Raises Refused."""
    if not carries_secret(document):
        return
    raise Refused(
        f"{name} contains the value of a secret.",
        why="The bot keeps every command, its plan and its manifests in clear, so it doesn't take secrets.",
        fix="Restore the Secret unchanged and set its value in the cluster, or point the workload at another Secret.",
    )
