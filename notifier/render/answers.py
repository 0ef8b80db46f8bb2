"""An Answer → what Slack shows: text for notifications and readers, blocks, and files for what does not fit."""

from __future__ import annotations

import json
from dataclasses import dataclass

from domain.answer import Answer, Attachment, Button, Code, Fields, Table, Text, Tone
from notifier.render import limits
from notifier.render.escape import code, escape, plain, untrusted
from notifier.render.limits import Block

MARK = {Tone.PLAIN: "", Tone.GOOD: "✅ ", Tone.WARNING: "⚠️ ", Tone.BAD: "❌ "}
ROWS = 20
LINE = "line:"
TYPED = "typed:"


@dataclass(frozen=True, slots=True)
class Rendered:
    text: str
    blocks: tuple[Block, ...]
    files: tuple[Attachment, ...] = ()


def render(answer: Answer) -> Rendered:
    files: list[Attachment] = []
    head = limits.section(f"{MARK[answer.tone]}*{escape(answer.headline)}*")
    blocks: list[Block] = [head, *(block for part in answer.parts for block in _part(part, files))]
    blocks += limits.actions([_button(index, each) for index, each in enumerate(answer.buttons)])
    if foot := _foot(answer):
        blocks.append(limits.context(foot))
    text = limits.cut(f"{MARK[answer.tone]}{escape(answer.headline)}", limits.TEXT)
    return Rendered(_told(text, answer), tuple(limits.bounded(blocks)), tuple(files))


def _told(text: str, answer: Answer) -> str:
    """The text alone has to say it: notifications and screen readers see nothing else."""
    said = [text, *(each for each in map(_plainly, answer.parts) if each)]
    if answer.cluster:
        said.append(f"[{escape(answer.cluster)}]")
    if answer.reference:
        said.append(answer.reference)
    return limits.cut("\n".join(said), limits.TEXT)


def _plainly(part: Text | Fields | Table | Code | Attachment) -> str:
    match part:
        case Text() | Code():
            return escape(part.body)
        case Fields():
            return "\n".join(f"{escape(label)}: {escape(value)}" for label, value in part.rows)
        case Table():
            return escape("\n".join(aligned_lines(part)[: ROWS + 1]))
        case Attachment():
            return ""


def _part(part: Text | Fields | Table | Code | Attachment, files: list[Attachment]) -> list[Block]:
    match part:
        case Text():
            return [limits.section(untrusted(part.body) if part.untrusted else escape(part.body))]
        case Fields():
            return limits.fields(tuple((escape(label), untrusted(value)) for label, value in part.rows))
        case Table():
            return _table(part, files)
        case Code():
            blocks, over = limits.code_sections(code(part.body))
            if over:
                files.append(Attachment(f"answer.{part.language or 'txt'}", part.body))
            return blocks
        case Attachment():
            files.append(part)
            return []


def _table(table: Table, files: list[Attachment]) -> list[Block]:
    lines = aligned_lines(table)
    shown = lines[: ROWS + 1]
    blocks, over = limits.code_sections(code("\n".join(shown)))
    if over or len(lines) > len(shown):
        files.append(Attachment("table.txt", "\n".join(lines), table.caption))
        blocks.append(limits.context(f"{len(lines) - len(shown)} more in the file"))
    return blocks


def aligned_lines(table: Table) -> list[str]:
    rows = [table.columns, *[tuple(plain(cell).replace("\n", " ") for cell in row) for row in table.rows]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _button(index: int, button: Button) -> Block:
    kind = TYPED if button.typed else LINE
    value = {"line": button.line} | ({"word": button.typed} if button.typed else {})
    made = limits.button(button.text, f"{kind}{index}", json.dumps(value), button.style)
    if button.confirm:
        made["confirm"] = {
            "title": {"type": "plain_text", "text": "Confirm"},
            "text": {"type": "plain_text", "text": limits.cut(button.confirm, 300)},
            "confirm": {"type": "plain_text", "text": "Continue"},
            "deny": {"type": "plain_text", "text": "Cancel"},
        }
    return made


def _foot(answer: Answer) -> str:
    parts = [f"Cluster: {escape(answer.cluster)}" if answer.cluster else "", answer.reference]
    return " · ".join(part for part in parts if part)
