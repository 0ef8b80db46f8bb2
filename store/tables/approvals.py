"""Approvals and their votes. Constraints guard the four-eyes rule: one vote per person and email address."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.approval import Approval, ApprovalState, Vote, VoteKind
from domain.errors import ConcurrentChange, NotFound, Refused
from store.encode import from_json, storable, to_json
from store.scrub import scrub
from store.sqlite import Connection, sqlite3
from store.times import from_micros, to_micros

SCHEMA = (
    f"""CREATE TABLE approval (
        id TEXT PRIMARY KEY,
        operation TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        rule TEXT NOT NULL,
        quorum INTEGER NOT NULL CHECK (quorum > 0),
        approvers TEXT NOT NULL CHECK (json_valid(approvers)),
        state TEXT NOT NULL CHECK (state IN ({", ".join(f"'{state}'" for state in ApprovalState)})),
        requester TEXT NOT NULL,
        requester_email TEXT NOT NULL,
        reason TEXT NOT NULL,
        requested_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        reminded_at INTEGER
    ) STRICT""",
    "CREATE INDEX approval_open ON approval (expires_at) WHERE state = 'open'",
    "CREATE INDEX approval_deciding ON approval (requested_at) WHERE state = 'deciding'",
    "CREATE INDEX approval_of_operation ON approval (operation)",
    """CREATE TABLE vote (
        approval TEXT NOT NULL REFERENCES approval (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        voter TEXT NOT NULL,
        voter_name TEXT NOT NULL,
        email TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('approve', 'reject')),
        at INTEGER NOT NULL,
        groups TEXT NOT NULL CHECK (json_valid(groups)),
        reason TEXT NOT NULL,
        PRIMARY KEY (approval, position)
    ) STRICT""",
    "CREATE UNIQUE INDEX vote_once_per_person ON vote (approval, voter)",
    "CREATE UNIQUE INDEX vote_once_per_email ON vote (approval, lower(email)) WHERE email != ''",
)

_COLUMNS = (
    "id, operation, fingerprint, rule, quorum, approvers, state, requester, requester_email, reason,"
    " requested_at, expires_at, revision"
)
_SELECT = f"SELECT {_COLUMNS} FROM approval"  # noqa: S608 - constants


class ApprovalTable:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, approval: Approval) -> None:
        self._connection.execute(
            f"INSERT INTO approval ({_COLUMNS}) VALUES ({','.join('?' * 13)})",  # noqa: S608 - constants
            (
                approval.id,
                approval.operation,
                approval.fingerprint,
                approval.rule,
                approval.quorum,
                to_json(list(approval.approvers)),
                approval.state,
                approval.requester,
                approval.requester_email.strip(),
                scrub(approval.reason),
                to_micros(approval.requested_at),
                to_micros(approval.expires_at),
                approval.revision,
            ),
        )

    def cast(self, approval_id: str, vote: Vote, expected_revision: int, *, afterwards: bool = False) -> Approval:
        """Add a vote and return the approval with it. Raises Refused for the requester, a second vote, or one that is too late.

        `afterwards`: the operation ran already, so no vote is too late. Raises ConcurrentChange if the approval changed
        since `expected_revision`.
        """
        before = self._require(approval_id)
        _may_vote(before, vote, afterwards=afterwards)
        self._move(before.id, "revision = revision + 1", "state = 'open'", expected_revision)
        self._insert_vote(before, vote)
        return self._require(approval_id)

    def begin_deciding(self, approval_id: str, expected_revision: int) -> Approval:
        """Open → deciding: no more votes while the plan is checked again."""
        self._move(approval_id, "state = 'deciding', revision = revision + 1", "state = 'open'", expected_revision)
        return self._require(approval_id)

    def reopen(self, approval_id: str, expected_revision: int) -> Approval:
        """Deciding → open: the check couldn't be made (a cluster didn't answer, or the process ended)."""
        self._move(approval_id, "state = 'open', revision = revision + 1", "state = 'deciding'", expected_revision)
        return self._require(approval_id)

    def finish(self, approval_id: str, state: ApprovalState, expected_revision: int) -> Approval:
        """End the approval; `approved` and `stale` follow only from deciding. Raises ConcurrentChange if it changed."""
        from_state = (
            "state = 'deciding'"
            if state in {ApprovalState.APPROVED, ApprovalState.STALE}
            else "state IN ('open', 'deciding')"
        )
        self._move(
            approval_id, f"state = '{ApprovalState(state)}', revision = revision + 1", from_state, expected_revision
        )
        return self._require(approval_id)

    def get(self, approval_id: str) -> Approval | None:
        return next(iter(self._select("WHERE id = ?", approval_id)), None)

    def of_operation(self, operation: str) -> tuple[Approval, ...]:
        """Return the operation's approvals, newest first: a stale one may have been requested again."""
        return self._select("WHERE operation = ? ORDER BY requested_at DESC, id", operation)

    def open(self) -> tuple[Approval, ...]:
        return self._select("WHERE state = 'open' ORDER BY requested_at, id")

    def deciding(self) -> tuple[Approval, ...]:
        """Return the approvals that the last process was deciding."""
        return self._select("WHERE state = 'deciding' ORDER BY requested_at, id")

    def due_to_expire(self, now: datetime) -> tuple[Approval, ...]:
        return self._select("WHERE state = 'open' AND expires_at <= ? ORDER BY expires_at, id", to_micros(now))

    def due_for_reminder(self, asked_before: datetime) -> tuple[Approval, ...]:
        """Return the open approvals that were requested, or last reminded of, before then."""
        return self._select(
            "WHERE state = 'open' AND ifnull(reminded_at, requested_at) <= ? ORDER BY requested_at, id",
            to_micros(asked_before),
        )

    def mark_reminded(self, approval_id: str, now: datetime) -> None:
        self._connection.execute(
            "UPDATE approval SET reminded_at = ? WHERE id = ? AND state = 'open'", (to_micros(now), approval_id)
        )

    def _move(self, approval_id: str, assignments: str, from_state: str, expected_revision: int) -> None:
        changed = self._connection.execute(
            f"UPDATE approval SET {assignments} WHERE id = ? AND revision = ? AND {from_state}",  # noqa: S608
            (approval_id, expected_revision),
        ).rowcount
        if changed == 0:
            raise ConcurrentChange(f"Approval request {approval_id} was changed in the meantime.")

    def _insert_vote(self, approval: Approval, vote: Vote) -> None:
        try:
            self._connection.execute(
                "INSERT INTO vote (approval, position, voter, voter_name, email, kind, at, groups, reason)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    approval.id,
                    len(approval.votes) + 1,
                    vote.voter,
                    storable(vote.voter_name),
                    vote.email.strip(),
                    vote.kind,
                    to_micros(vote.at),
                    to_json(list(vote.groups)),
                    scrub(vote.reason),
                ),
            )
        except sqlite3.IntegrityError as error:
            raise Refused("You already voted on this request.", why="Each person has one vote.") from error

    def _require(self, approval_id: str) -> Approval:
        if (found := self.get(approval_id)) is None:
            raise NotFound(f"Approval request {approval_id} doesn't exist.")
        return found

    def _select(self, where: str, *values: object) -> tuple[Approval, ...]:
        rows = self._connection.execute(f"{_SELECT} {where}", values).fetchall()
        return tuple(_approval(row, self._votes(row[0])) for row in rows)

    def _votes(self, approval_id: str) -> tuple[Vote, ...]:
        rows = self._connection.execute(
            "SELECT voter, voter_name, email, kind, at, groups, reason FROM vote WHERE approval = ? ORDER BY position",
            (approval_id,),
        ).fetchall()
        return tuple(
            Vote(voter, name, email, VoteKind(kind), from_micros(at), tuple(from_json(groups)), reason)
            for voter, name, email, kind, at, groups, reason in rows
        )


def _may_vote(approval: Approval, vote: Vote, *, afterwards: bool) -> None:
    email = vote.email.strip().lower()
    if vote.voter == approval.requester or (email and email == approval.requester_email.lower()):
        raise Refused("You requested this, so someone else has to approve it.")
    if vote.at >= approval.expires_at and not afterwards:
        raise Refused("This request expired.", fix="Request it again.")


def _approval(row: tuple[Any, ...], votes: tuple[Vote, ...]) -> Approval:
    id_, operation, fingerprint, rule, quorum, approvers, state, *tail = row
    requester, requester_email, reason, requested_at, expires_at, revision = tail
    return Approval(
        id=id_,
        operation=operation,
        fingerprint=fingerprint,
        rule=rule,
        quorum=quorum,
        approvers=tuple(from_json(approvers)),
        state=ApprovalState(state),
        requester=requester,
        requester_email=requester_email,
        reason=reason,
        requested_at=from_micros(requested_at),
        expires_at=from_micros(expires_at),
        votes=votes,
        revision=revision,
    )
