"""An answer as Slack shows it: one sentence for notifications, blocks, and files for what doesn't fit into them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from domain.answer import Answer, Attachment, Button, Code, Fields, Table, Text, Tone
from domain.counting import counted
from notifier.render import limits
from notifier.render.escape import code, escape, plain, sentence, untrusted
from notifier.render.limits import Block

MARK = {Tone.PLAIN: "", Tone.GOOD: "✅ ", Tone.WARNING: "⚠️ ", Tone.BAD: "❌ "}
ROWS_SHOWN = 20
LINE = "line:"
TYPED = "typed:"


@dataclass(frozen=True, slots=True)
class Rendered:
    text: str
    blocks: tuple[Block, ...]
    files: tuple[Attachment, ...] = ()


def render(answer: Answer) -> Rendered:
    files: list[Attachment] = []
    head = limits.section(f"{MARK[answer.tone]}*{sentence(answer.headline)}*")
    blocks: list[Block] = [head, *(block for part in answer.parts for block in _part(part, files))]
    blocks += limits.actions([_button(index, each) for index, each in enumerate(answer.buttons)])
    small_print = [f"Cluster: {escape(answer.cluster)}" if answer.cluster else "", answer.reference]
    if any(small_print):
        blocks.append(limits.context(" · ".join(part for part in small_print if part)))
    return Rendered(_fallback_text(answer), tuple(limits.bounded(blocks)), tuple(files))


def _fallback_text(answer: Answer) -> str:
    """The headline, with the cluster first: a reader of several clusters has to know which one answers."""
    cluster = f"{escape(answer.cluster)}: " if answer.cluster else ""
    return limits.cut(f"{MARK[answer.tone]}{cluster}{escape(answer.headline)}", limits.TEXT)


def _part(part: Text | Fields | Table | Code | Attachment, files: list[Attachment]) -> list[Block]:
    match part:
        case Text():
            return [limits.section(untrusted(part.body) if part.untrusted else sentence(part.body))]
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
    shown = lines[: ROWS_SHOWN + 1]
    blocks, over = limits.code_sections(code("\n".join(shown)))
    if over or len(lines) > len(shown):
        files.append(Attachment("table.txt", "\n".join(lines), table.caption))
        blocks.append(limits.context(f"{counted(len(lines) - len(shown), 'more row')} in the attached file"))
    return blocks


def aligned_lines(table: Table) -> list[str]:
    rows = [table.columns, *[tuple(plain(cell).replace("\n", " ") for cell in row) for row in table.rows]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _button(index: int, button: Button) -> Block:
    kind = TYPED if button.typed else LINE
    value = {"line": button.line} | ({"word": button.typed} if button.typed else {})
    block = limits.button(button.text, f"{kind}{index}", json.dumps(value), button.style)
    return block | ({"confirm": limits.confirm_dialog(button)} if button.confirm else {})
