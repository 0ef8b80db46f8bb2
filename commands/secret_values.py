"""Refuses commands that carry the values of secrets: every command is kept as it was asked, and would keep them in clear.

Read as text and not as YAML, before anything is stored: the check must cost nothing on a hostile document, and a form
that it does not recognise hurts only whoever wrote it.
"""

from __future__ import annotations

import re

from domain.errors import ChatopsError, Refused
from store.scrub import scrub

_HINT = re.compile(r"--(?:modifier|resource-policy)\b")
_SECRET_KIND = re.compile(r"\bsecrets?\b", re.IGNORECASE)
_DATA_FIELD = re.compile(r"(?<![a-z-])(?:data|stringData)\b", re.IGNORECASE)
_VALUE = re.compile(r"\b(?:value|patchData)\b")


def carries_secret(document: str) -> bool:
    """Whether a modifier sets the data of a Secret, or holds what looks like a credential anywhere."""
    sets_data = all(pattern.search(document) for pattern in (_SECRET_KIND, _DATA_FIELD, _VALUE))
    return sets_data or scrub(document) != document


def refuse_in_document(name: str, document: str) -> None:
    """Raises Refused."""
    if not carries_secret(document):
        return
    raise Refused(
        f"{name} contains the value of a secret.",
        why="The bot keeps every command, its plan and its manifests in clear, so it doesn't take secrets.",
        fix="Restore the Secret unchanged and set its value in the cluster, or point the workload at another Secret.",
    )


def refuse_in_line(line: str, lead: str = "") -> None:
    """Before the line is stored. Raises Refused; a line that does not parse is refused later, in its own words."""
    if not _HINT.search(line):
        return
    from commands.grammar.parser import parse_quickly

    try:
        command = parse_quickly(line, lead=lead)
    except ChatopsError:
        documents = {"The command": line}
    else:
        documents = {f"--{name}": command.text(name) for name in ("modifier", "resource-policy")}
    for name, document in documents.items():
        refuse_in_document(name, document)
