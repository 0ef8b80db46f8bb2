"""Refuses command lines that carry the values of secrets, before the line is stored."""

from __future__ import annotations

import re

from commands.grammar.parser import parse_quickly
from commands.secret_values import refuse_secrets_in_document
from domain.errors import ChatopsError

_DOCUMENT_FLAGS = ("modifier", "resource-policy")
_DOCUMENT_FLAG = re.compile(rf"--(?:{'|'.join(_DOCUMENT_FLAGS)})\b")


def refuse_secrets_in_line(line: str, lead: str = "") -> None:
    """Raises Refused. A line that doesn't parse is refused later, with the parser's own error."""
    if not _DOCUMENT_FLAG.search(line):
        return
    try:
        command = parse_quickly(line, lead=lead)
    except ChatopsError:
        documents = {"The command": line}
    else:
        documents = {f"--{name}": command.text(name) for name in _DOCUMENT_FLAGS}
    for name, document in documents.items():
        refuse_secrets_in_document(name, document)
