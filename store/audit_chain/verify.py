"""Verifies the audit log: streams the hash chain once and compares it with every known checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from domain.counting import counted
from domain.errors import StoreError
from store.audit_chain.checkpoint import (
    CHECKPOINT_ACTION,
    PUBLIC_FILE,
    Head,
    digest,
    notes_in,
    read_note,
    stored_public_key,
    verify_note,
)
from store.connection import DATABASE_FILE, open_for_reading
from store.sqlite import Connection, sqlite3
from store.tables.anchors import Anchor, Anchors
from store.tables.audit import GENESIS, pages, row_hash


class ChainFinding(StrEnum):
    OK = "ok"
    BROKEN = "broken"
    TRUNCATED = "truncated"
    ANCHOR_MISSING = "anchor-missing"


_EXIT = {ChainFinding.OK: 0, ChainFinding.BROKEN: 3, ChainFinding.TRUNCATED: 4, ChainFinding.ANCHOR_MISSING: 5}


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """`seq` is the first wrong row (broken), or else the last row; `anchors` is the number of signed heads that agreed.

    `unchecked`: the number of heads whose signature wasn't checked, because the public key is missing. They prove nothing.
    """

    finding: ChainFinding
    seq: int
    why: str = ""
    anchors: int = 0
    unchecked: int = 0

    @property
    def exit_code(self) -> int:
        return _EXIT[self.finding]

    def __str__(self) -> str:
        match self.finding:
            case ChainFinding.OK:
                left = (
                    f"; {counted(self.unchecked, 'head')} not checked: {PUBLIC_FILE} is missing"
                    if self.unchecked
                    else ""
                )
                return f"ok: {counted(self.seq, 'row')}, {counted(self.anchors, 'signed checkpoint')}{left}"
            case ChainFinding.BROKEN:
                return f"broken at row {self.seq}: {self.why}"
            case _:
                return f"{self.finding} after row {self.seq}: {self.why}"


@dataclass(slots=True)
class _Walk:
    """State of the walk: the last valid row, and what was found on the way."""

    seq: int = 0
    hash: bytes = GENESIS
    error: str = ""
    signed: list[bytes] = field(default_factory=list)
    """Digests of the checkpoints that entries mention."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """A checkpoint that says row `seq` has this hash."""

    seq: int
    hash: bytes
    source: str


def verify(data_dir: Path, *, anchors: Iterable[str] = (), public: bytes | None = None) -> ChainVerdict:
    """Verify the data directory of a running or stopped bot, or the database file itself.

    `anchors` are texts from outside that contain signed heads (a log, an export of the audit channel). `public` is the key
    that signed them, by default the one next to the database. Raises StoreError if there is no file to read.
    """
    path = data_dir / DATABASE_FILE if data_dir.is_dir() else data_dir
    public = public or stored_public_key(path.parent)
    outside = [note for text in anchors for note in notes_in(text)]
    connection = open_for_reading(path)
    try:
        connection.execute("BEGIN")
        return _judge(connection, outside, public)
    except sqlite3.DatabaseError as error:
        return ChainVerdict(ChainFinding.BROKEN, 1, f"the database file can't be read: {error}")
    finally:
        connection.close()


def _check_indexes(connection: Connection) -> ChainVerdict | None:
    """Queries read an index without its row, so an index that disagrees with the rows would falsify what they show."""
    (found,) = connection.execute("PRAGMA integrity_check(audit)").fetchone()
    if found == "ok":
        return None
    return ChainVerdict(ChainFinding.BROKEN, 1, f"an index of the audit log doesn't match its rows: {found}")


def _judge(connection: Connection, outside: list[str], public: bytes | None) -> ChainVerdict:
    if public is None and outside:
        raise StoreError(
            "External checkpoints can't be verified without the public key.",
            fix=f"pass the key, or restore {PUBLIC_FILE}",
        )
    stored = Anchors(connection).all()
    if (verdict := _check_stored(stored, public) or _check_external(outside, public)) is not None:
        return verdict
    recorded = connection.execute("SELECT seq, hash FROM audit_head").fetchone() or (0, GENESIS)
    claims = [_Claim(recorded[0], recorded[1], "the recorded last row")]
    claims += [_Claim(anchor.seq, anchor.head, f"signed checkpoint {anchor.number}") for anchor in stored]
    claims += [
        _Claim(head.seq, head.hash, f"external signed checkpoint {head.number}")
        for head in map(read_note, outside)
        if head
    ]
    walk = _walk_chain(connection, claims)
    if walk.error:
        return ChainVerdict(ChainFinding.BROKEN, walk.seq + 1, walk.error)
    return (
        _check_indexes(connection)
        or _check_truncated(walk, claims)
        or _check_last_row(walk, recorded[0])
        or _check_missing(connection, walk, stored, outside)
        or (
            ChainVerdict(ChainFinding.OK, walk.seq, anchors=len(stored))
            if public is not None
            else ChainVerdict(ChainFinding.OK, walk.seq, unchecked=len(stored))
        )
    )


def _walk_chain(connection: Connection, claims: list[_Claim]) -> _Walk:
    """Walk the chain until the first row that was changed."""
    walk = _Walk()
    claimed: dict[int, list[_Claim]] = {}
    for claim in claims:
        claimed.setdefault(claim.seq, []).append(claim)
    # Read text as bytes: a row that is no longer UTF-8 can still be hashed, and nothing is decoded without need.
    connection.text_factory = bytes
    try:
        for page in pages(connection):
            if not _check_page(walk, page, claimed):
                break
    except sqlite3.DatabaseError as error:
        walk.error = f"the row can't be read: {error}"
    finally:
        connection.text_factory = str
    return walk


def _check_page(walk: _Walk, page: list[tuple[object, ...]], claimed: dict[int, list[_Claim]]) -> bool:
    # 100,000 rows per second pass this loop: local names, one pass, no calls except the hash.
    last, chain, signed = walk.seq, walk.hash, CHECKPOINT_ACTION.encode()
    for row in page:
        *fields, prev, own = row
        if row[0] != last + 1:
            walk.error = "the row is missing"
        elif prev != chain:
            walk.error = "its hash doesn't chain to the previous row"
        elif not _hash_matches(fields, chain, own):
            walk.error = "its content doesn't match its hash"
        elif last + 1 in claimed and (source := _contradicting_source(claimed[last + 1], own)):
            walk.error = f"its hash differs from {source}: the chain was rewritten"
        if walk.error:
            break
        last, chain = last + 1, own  # type: ignore[assignment]
        if row[3] == signed:
            walk.signed.append(_checkpoint_digest(row[8]))
    walk.seq, walk.hash = last, chain
    return not walk.error


def _hash_matches(fields: list[object], chain: bytes, own: object) -> bool:
    try:
        return row_hash(fields[0], fields[1], fields[2:], chain) == own  # type: ignore[arg-type]
    except (TypeError, ValueError):
        # A file edited by hand can hold values of other types than the table allows.
        return False


def _contradicting_source(claims: list[_Claim], own: object) -> str:
    return next((claim.source for claim in claims if claim.hash != own), "")


def _checkpoint_digest(detail: object) -> bytes:
    return bytes.fromhex(json.loads(detail)["digest"]) if isinstance(detail, bytes) else b""


def _check_truncated(walk: _Walk, claims: list[_Claim]) -> ChainVerdict | None:
    latest = max(claims, key=lambda claim: claim.seq)
    if latest.seq <= walk.seq:
        return None
    return ChainVerdict(
        ChainFinding.TRUNCATED, walk.seq, f"{latest.source} refers to row {latest.seq}, which is missing"
    )


def _check_last_row(walk: _Walk, recorded: int) -> ChainVerdict | None:
    if walk.seq == recorded:
        return None
    return ChainVerdict(ChainFinding.BROKEN, recorded + 1, "rows were added outside the bot")


def _check_stored(stored: tuple[Anchor, ...], public: bytes | None) -> ChainVerdict | None:
    for anchor in stored:
        head = verify_note(anchor.note, public) if public else read_note(anchor.note)
        if head is None or not _head_matches(head, anchor):
            return ChainVerdict(
                ChainFinding.BROKEN, anchor.seq, f"signed checkpoint {anchor.number} doesn't match its signature"
            )
    return None


def _head_matches(head: Head, anchor: Anchor) -> bool:
    same = (head.number, head.seq, head.hash) == (anchor.number, anchor.seq, anchor.head)
    return same and digest(anchor.note) == anchor.digest


def _check_external(outside: list[str], public: bytes | None) -> ChainVerdict | None:
    for note in outside:
        if public and verify_note(note, public) is None:
            head = read_note(note)
            return ChainVerdict(
                ChainFinding.BROKEN, head.seq if head else 0, "an external checkpoint has an invalid signature"
            )
    return None


def _check_missing(
    connection: Connection, walk: _Walk, stored: tuple[Anchor, ...], outside: list[str]
) -> ChainVerdict | None:
    known = {anchor.digest for anchor in stored} | {b""}
    previous = [head.previous for head in map(read_note, (anchor.note for anchor in stored)) if head]
    mentioned = [*walk.signed, *previous, *map(digest, outside)]
    if missing := sum(each not in known for each in mentioned):
        return ChainVerdict(
            ChainFinding.ANCHOR_MISSING,
            walk.seq,
            f"{counted(missing, 'mention')} of a signed checkpoint that is missing",
        )
    for place, note in _published_in_files(connection, stored):
        if note not in (place.read_text(encoding="utf-8", errors="replace") if place.is_file() else ""):
            return ChainVerdict(
                ChainFinding.ANCHOR_MISSING, walk.seq, f"{place} lacks a signed checkpoint that was published there"
            )
    return None


def _published_in_files(connection: Connection, stored: tuple[Anchor, ...]) -> Iterator[tuple[Path, str]]:
    notes = {anchor.number: anchor.note for anchor in stored}
    for publication in Anchors(connection).publications():
        kind, _, address = publication.place.partition(":")
        if kind == "file" and publication.anchor in notes:
            yield Path(address), notes[publication.anchor]
