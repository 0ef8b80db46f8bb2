"""Signed checkpoints: "row N of the audit log has this hash", signed with Ed25519, as a C2SP signed note.

Published where the bot can't change them, they reveal a rebuilt chain or an older copy, which the file alone can't.
"""

from __future__ import annotations

import base64
import os
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from domain.errors import ConfigError
from store.private_files import write_new
from store.tables.anchors import Anchor
from store.tables.audit import AuditEntry
from store.transaction import Transaction

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NOTE_ORIGIN = "velero-chatops/audit"
CHECKPOINT_ACTION = "audit.head-signed"
"""Action of the audit entry that records a checkpoint: deleting the checkpoint leaves this entry."""

KEY_FILE = "audit.key"
PUBLIC_FILE = "audit.pub"
_ED25519 = b"\x01"
_DASH = "— "


@dataclass(frozen=True, slots=True)
class Head:
    """The contents of a note. `previous` is the digest of the previous note, empty in the first."""

    number: int
    seq: int
    hash: bytes
    at: str
    previous: bytes


class Key:
    """Signs checkpoints. `public` is the public key, 32 bytes."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    def sign(self, text: str) -> str:
        return signed_note(text, self.public, self._private.sign(text.encode()))


def load_key(data_dir: Path, configured: str = "") -> Key:
    """Return the signing key. `configured` is a PEM or the base64 of 32 bytes; without one the data directory has its own.

    The public key is saved next to the database, for `audit verify`.
    """
    key = Key(_private(configured or _own_secret(data_dir / KEY_FILE)))
    public = base64.b64encode(key.public).decode() + "\n"
    path = data_dir / PUBLIC_FILE
    if not path.exists() or path.read_text() != public:
        path.unlink(missing_ok=True)
        write_new(path, public, 0o644)
    return key


def stored_public_key(data_dir: Path) -> bytes | None:
    path = data_dir / PUBLIC_FILE
    return public_key(path.read_text()) if path.exists() else None


def public_key(text: str) -> bytes:
    """Read a public key from the base64 of 32 bytes."""
    if (raw := _decoded(text.strip())) is None or len(raw) != 32:
        raise ConfigError("The audit log's public key must be the base64 of 32 bytes.")
    return raw


def head(tx: Transaction, now: datetime, key: Key) -> Anchor | None:
    """Sign and record the end of the audit log, and add an entry about it. Return None if nothing is new since the last."""
    before = tx.anchors.latest()
    seq, own = tx.audit.head()
    if seq == 0 or (before is not None and seq <= before.seq + 1):
        return None
    number = before.number + 1 if before else 1
    note = key.sign(_text(Head(number, seq, own, now.isoformat(), before.digest if before else b"")))
    anchor = Anchor(number, seq, own, note, digest(note), now)
    tx.anchors.insert(anchor)
    detail = {"number": number, "seq": seq, "digest": anchor.digest.hex()}
    tx.audit.append(AuditEntry(at=now, actor="store", action=CHECKPOINT_ACTION, outcome="done", detail=detail))
    return anchor


def digest(note: str) -> bytes:
    return sha256(note.encode()).digest()


def verify_note(note: str, public: bytes) -> Head | None:
    """Return the contents of a note if this key signed it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    text, _, signature_line = note.partition(f"\n\n{_DASH}{NOTE_ORIGIN} ")
    text += "\n"
    raw = _decoded(signature_line.strip())
    if raw is None or raw[:4] != _key_id(public):
        return None
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], text.encode())
    except InvalidSignature:
        return None
    return read_note(note)


def read_note(note: str) -> Head | None:
    """Return the contents of a note without checking its signature."""
    lines = note.splitlines()
    try:
        origin, seq, own, number, at, previous = lines[:6]
        own_hash, previous_digest = _decoded(own), _decoded(previous.removeprefix("previous ").strip())
        if origin != NOTE_ORIGIN or own_hash is None or previous_digest is None:
            return None
        return Head(int(number.removeprefix("number ")), int(seq), own_hash, at.removeprefix("time "), previous_digest)
    except ValueError:
        return None


def append_to_file(path: Path, notes: Iterable[str]) -> None:
    """Append a note durably. The file should be on another volume than the database."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{note}\n" for note in notes)
        file.flush()
        os.fsync(file.fileno())


def notes_in(text: str) -> Iterator[str]:
    """Find all notes in a file, a log or a channel's export; other lines are ignored."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith(f"{_DASH}{NOTE_ORIGIN} ") and number >= 7:
            yield "\n".join(lines[number - 7 : number + 1]) + "\n"


def signed_note(text: str, public: bytes, signature: bytes) -> str:
    line = base64.b64encode(_key_id(public) + signature).decode()
    return f"{text}\n{_DASH}{NOTE_ORIGIN} {line}\n"


def _text(head: Head) -> str:
    own, previous = (base64.b64encode(raw).decode() for raw in (head.hash, head.previous))
    return f"{NOTE_ORIGIN}\n{head.seq}\n{own}\nnumber {head.number}\ntime {head.at}\nprevious {previous}\n"


def _key_id(public: bytes) -> bytes:
    return sha256(NOTE_ORIGIN.encode() + b"\n" + _ED25519 + public).digest()[:4]


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return None


def _own_secret(path: Path) -> str:
    if not path.exists():
        write_new(path, base64.b64encode(os.urandom(32)).decode() + "\n")
    return path.read_text()


def _private(text: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if "-----BEGIN" not in text:
        raw = _decoded(text.strip())
        if raw is None or len(raw) != 32:
            raise ConfigError("The audit log's signing key must be a PEM file or the base64 of 32 bytes.")
        return Ed25519PrivateKey.from_private_bytes(raw)
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError("The audit log's signing key isn't a valid PEM file.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("The audit log's signing key must be an Ed25519 key.")
    return key
