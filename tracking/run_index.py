"""The runs of one kind by series, kept as they come: judging one run costs the same however many are known.

The series of a backup is its schedule, or the namespaces of a backup without one.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from commands.planning.object_fields import parse_time
from store.tables.observed import Observed
from velero.phases import BACKUP_PHASES

SeriesKey = tuple[str, ...]
Entry = tuple[str, str]
"""When a run started, and its uid."""
MAX_DURATIONS = 10
"""How many Completed runs the usual duration is the median of."""
EVERY_RUN = ""
EVERYTHING: SeriesKey = ()


def series_key(schedule: str, namespaces: Iterable[str]) -> SeriesKey:
    return ("schedule", schedule) if schedule else ("namespaces", *namespaces)


class RunIndex:
    """Ended runs sorted by start; `open` holds those that haven't ended."""

    def __init__(self, rows: Iterable[Observed] = ()) -> None:
        self.open: dict[str, Observed] = {}
        self._rows = {one.uid: one for one in rows}
        self._ended: dict[SeriesKey, list[Entry]] = {}
        self._good: dict[SeriesKey, list[Entry]] = {}
        self._good_by_name: dict[SeriesKey, list[Entry]] = {}
        self._good_by_namespaces: dict[SeriesKey, list[Entry]] = {}
        self._all_ended: dict[SeriesKey, list[Entry]] = {}
        for one in self._rows.values():
            if one.phase not in BACKUP_PHASES.terminal:
                self.open[one.uid] = one
            entry = _entry(one)
            for runs, key in self._places(one):
                runs.setdefault(key, []).append(entry)
        for each in self._lists():
            for entries in each.values():
                entries.sort()

    def put(self, row: Observed) -> None:
        self.remove(row.uid)
        self._rows[row.uid] = row
        if row.phase not in BACKUP_PHASES.terminal:
            self.open[row.uid] = row
        entry = _entry(row)
        for runs, key in self._places(row):
            insort(runs.setdefault(key, []), entry)

    def remove(self, uid: str) -> None:
        row = self._rows.pop(uid, None)
        if row is None:
            return
        self.open.pop(uid, None)
        entry = _entry(row)
        for runs, key in self._places(row):
            entries = runs[key]
            del entries[bisect_left(entries, entry)]
            if not entries:
                del runs[key]

    def last(self, series: SeriesKey, without: str) -> Observed | None:
        return next(self._newest_first(self._ended.get(series, []), without), None)

    def last_good(self, series: SeriesKey, without: str) -> Observed | None:
        return next(self._newest_first(self._good.get(series, []), without), None)

    def usual_duration(self, series: SeriesKey, without: str) -> float:
        """The median duration in seconds of the last Completed runs; 0 without any."""
        return _median_duration(self._newest_first(self._good.get(series, []), without))

    def usual_duration_by_name(self, name: str = EVERY_RUN) -> float:
        """The same of a schedule, of sorted namespaces joined with commas, or of every run."""
        return _median_duration(self._newest_first(self._good_by_name.get((name,), [])))

    def summary(self, since: str) -> list[Observed]:
        """The runs that haven't ended, those that started since then, and the last Completed run of each list of namespaces."""
        ended = self._all_ended.get(EVERYTHING, [])
        recent = {uid for _, uid in ended[bisect_left(ended, (since, "")) :]}
        good = {entries[-1][1] for entries in self._good_by_namespaces.values()}
        return [self._rows[uid] for uid in {*self.open, *recent, *good}]

    def names(self) -> Iterator[str]:
        return (name for (name,) in self._good_by_name if name)

    def _newest_first(self, entries: list[Entry], without: str = "") -> Iterator[Observed]:
        return (self._rows[uid] for _, uid in reversed(entries) if uid != without)

    def _lists(self) -> tuple[dict[SeriesKey, list[Entry]], ...]:
        return self._all_ended, self._ended, self._good, self._good_by_name, self._good_by_namespaces

    def _places(self, row: Observed) -> Iterator[tuple[dict[SeriesKey, list[Entry]], SeriesKey]]:
        """Where an ended run is listed."""
        if row.phase not in BACKUP_PHASES.terminal:
            return
        schedule, namespaces = str(row.facts.get("schedule") or ""), row.facts.get("namespaces") or ()
        series = series_key(schedule, namespaces)
        yield self._all_ended, EVERYTHING
        yield self._ended, series
        if BACKUP_PHASES.is_good(row.phase):
            yield self._good, series
            yield self._good_by_namespaces, tuple(namespaces)
            for name in {EVERY_RUN, schedule, ",".join(sorted(namespaces))}:
                yield self._good_by_name, (name,)


class UsualDurations(Mapping[str, float]):
    """Usual duration in seconds by schedule, or by namespaces joined with commas; computed on access."""

    def __init__(self, runs: RunIndex) -> None:
        self._runs = runs

    def __getitem__(self, name: str) -> float:
        found = self._runs.usual_duration_by_name(name) if name else 0.0
        if not found:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return self._runs.names()

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _entry(row: Observed) -> Entry:
    return run_time(row), row.uid


def run_time(row: Observed) -> str:
    return str(row.facts.get("started") or row.facts.get("created") or "")


def _median_duration(newest_first: Iterable[Observed]) -> float:
    spans = sorted(islice((span for row in newest_first if (span := _duration(row)) is not None), MAX_DURATIONS))
    return spans[len(spans) // 2] if spans else 0.0


def _duration(row: Observed) -> float | None:
    begun, ended = parse_time(row.facts.get("started")), parse_time(row.facts.get("completed"))
    return (ended - begun).total_seconds() if begun and ended else None
