"""The runs of a series are kept as they come: the answers are those of a walk over everything, at a cost that doesn't grow."""

import json
import sys
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from store.tables.observed import Observed
from tracking import runs
from tracking.follower import ClusterMemory
from tracking.observation import TrackingContext
from tracking.run_index import RunIndex, UsualDurations, run_time, series_key
from velero.api import Api
from velero.connection import Direct
from velero.observations import Change, Observation
from velero.phases import BACKUP_PHASES
from velero.resources.backups import backup_rows

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BACKUPS = backup_rows(Api("prod", Direct("http://nowhere")), "velero")
NAMESPACES = ([], ["shop"], ["b", "a"], ["a", "b"])
PHASES = ("Completed", "Completed", "PartiallyFailed", "Failed", "InProgress", "Deleting")


def run(number: int, random: Random) -> Observed:
    started = NOW - timedelta(minutes=random.randrange(5_000))
    facts = {"started": started.isoformat(), "created": started.isoformat(), "done": number}
    if random.random() < 0.9:
        facts["completed"] = (started + timedelta(seconds=random.randrange(60, 900))).isoformat()
    if random.random() < 0.6:
        facts["schedule"] = random.choice(("nightly", "shop"))
    if random.random() < 0.8:
        facts["namespaces"] = random.choice(NAMESPACES[1:])
    return Observed(f"u{number}", f"b{number}", random.choice(PHASES), NOW, facts)


def walked(rows: list[Observed]) -> tuple[set[str], set[str], float]:
    """The last ended and last good start, and the usual duration, found by looking at every run."""
    ended = [one for one in rows if one.phase in BACKUP_PHASES.terminal]
    good = sorted((one for one in ended if BACKUP_PHASES.is_good(one.phase)), key=run_time, reverse=True)
    timed = [one for one in good if one.facts.get("completed")][:10]
    spans = sorted(
        (datetime.fromisoformat(one.facts["completed"]) - datetime.fromisoformat(one.facts["started"])).total_seconds()
        for one in timed
    )
    newest = {run_time(one) for one in ended if run_time(one) == max(map(run_time, ended))}
    return newest, {run_time(one) for one in good[:1]}, spans[len(spans) // 2] if spans else 0.0


def wanted_in_summary(rows, since):
    """The uids of unfinished and recent runs, and of the last Completed run of each list where it is the only latest."""
    ended = [one for one in rows if one.phase in BACKUP_PHASES.terminal]
    found = {one.uid for one in rows if one not in ended} | {one.uid for one in ended if run_time(one) >= since}
    for namespaces in NAMESPACES:
        good = [
            one for one in ended if BACKUP_PHASES.is_good(one.phase) and one.facts.get("namespaces", []) == namespaces
        ]
        last = [one for one in good if run_time(one) == max(map(run_time, good))]
        found |= {one.uid for one in last if len(last) == 1}
    return found


def in_series(rows, schedule, namespaces, without):
    return [
        one
        for one in rows
        if one.uid != without
        and series_key(str(one.facts.get("schedule", "")), one.facts.get("namespaces", ()))
        == series_key(schedule, namespaces)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_answers_are_those_of_a_walk_over_all_runs(seed):
    random, rows, index = Random(seed), dict[str, Observed](), RunIndex()
    for step in range(400):
        if rows and random.random() < 0.3:
            index.remove(uid := random.choice(list(rows)))
            del rows[uid]
        else:
            one = run(random.randrange(150), random)
            index.put(one)
            rows[one.uid] = one
        if step % 20:
            continue
        for kept in (index, RunIndex(rows.values())):
            assert kept.open.keys() == {u for u, one in rows.items() if one.phase not in BACKUP_PHASES.terminal}
            for schedule, namespaces in (("nightly", ()), ("shop", ()), ("", ("shop",)), ("", ("b", "a")), ("", ())):
                series, without = series_key(schedule, namespaces), random.choice([*rows, "none"])
                last, good, usual = walked(in_series(rows.values(), schedule, namespaces, without))
                found = kept.last(series, without), kept.last_good(series, without)
                assert [{run_time(one)} if one else set() for one in found] == [last, good]
                assert kept.usual_duration(series, without) == usual
            for name in ("nightly", "shop", "a,b"):
                named = [
                    one
                    for one in rows.values()
                    if name in {one.facts.get("schedule"), ",".join(sorted(one.facts.get("namespaces", ())))}
                ]
                assert UsualDurations(kept).get(name, 0.0) == walked(named)[2]
            assert kept.usual_duration_by_name() == walked(list(rows.values()))[2]
            summary = kept.summary(since := (NOW - timedelta(minutes=1_000)).isoformat())
            assert len({one.uid for one in summary}) == len(summary)
            assert wanted_in_summary(rows.values(), since) <= {one.uid for one in summary}
            assert len(summary) <= len(wanted_in_summary(rows.values(), since)) + len(NAMESPACES)


def steps_of_an_end(known: int) -> int:
    """How many instructions of the interpreter judge one end and remember it."""
    memory = ClusterMemory()
    for number in range(known):
        at = (NOW - timedelta(hours=known - number)).isoformat()
        done = (NOW - timedelta(hours=known - number) + timedelta(minutes=5)).isoformat()
        facts = {"schedule": "nightly", "started": at, "completed": done, "namespaces": ["shop"]}
        memory.put("Backup", Observed(f"u{number}", f"nightly-{number}", "Completed", NOW, facts))
    source = {
        "metadata": {"name": "last", "uid": "last", "generation": 5, "labels": {"velero.io/schedule-name": "nightly"}},
        "spec": {"includedNamespaces": ["shop"]},
        "status": {"phase": "Failed", "startTimestamp": NOW.isoformat()},
    }
    row = BACKUPS.read(json.dumps(source).encode())
    before = Observed("last", "last", "InProgress", NOW, {"schedule": "nightly"})
    memory.put("Backup", before)
    steps = 0

    def count(frame, event, _arg):
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return count

    context = TrackingContext("prod", "c1", NOW, first=False, runs=memory.runs("Backup"))
    tracer = sys.gettrace()
    sys.settrace(count)
    try:
        outcome = runs.observe(context, before, Observation(Change.MODIFIED, "Backup", "last", "last", row))
        memory.put("Backup", outcome.remember)
    finally:
        sys.settrace(tracer)
    (event,) = outcome.events
    assert event.facts["last_good"]["name"] == f"nightly-{known - 1}"
    assert event.facts["usual"] == 300.0
    return steps


def test_the_work_of_an_end_does_not_grow_with_the_known_backups():
    steps_of_an_end(1)  # fills the caches of the libraries
    assert steps_of_an_end(5_000) == steps_of_an_end(500)
