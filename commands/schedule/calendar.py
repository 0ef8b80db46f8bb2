"""`schedule calendar`: the coming days over all schedules, as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from commands.grammar.command import Command
from commands.grammar.flags import INT, TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ObjectNeed
from commands.planning.output import ALL_CLUSTERS
from commands.schedule.forecast import Forecast, describe_expression, make_forecast, zone_of
from commands.schedule.get import schedule_view
from domain.answer import Answer, Part, Table, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError, UsageError

MOST_DAYS = 31
FREQUENT_RUNS = 4
"""Runs a day: from there on they are told in words."""


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    at: datetime
    name: str
    cluster: str
    skipped: bool


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs.of(ObjectNeed("schedules", label=cmd.text("selector")), ObjectNeed("namespaces", optional=True))


def answer(cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    days = cmd.number("days", 7)
    if not 1 <= days <= MOST_DAYS:
        raise UsageError(f"--days must be from 1 to {MOST_DAYS}, not {days}.")
    until = context.now + timedelta(days=days)
    parts: list[Part] = []
    entries: list[CalendarEntry] = []
    for cluster, facts in world.items():
        if isinstance(facts, ClusterError):
            parts.append(Text(f"Cluster {cluster} couldn't be read: {facts.text}", untrusted=True))
            continue
        for found in _outlooks(cluster, facts, context):
            told = _told(found, cluster, until, days, context)
            if isinstance(told, str):
                parts.append(Text(told, untrusted=True))
            else:
                entries += told
    entries.sort(key=lambda entry: (entry.at, entry.name))
    several = len(world) > 1
    if entries:
        columns = ("DAY", "TIME", *(("CLUSTER",) if several else ()), "SCHEDULE", "")
        parts.insert(0, Table(columns, tuple(_rows(entries, context, several=several)), caption=context.timezone))
    failed = any(isinstance(facts, ClusterError) for facts in world.values())
    headline = "Next 24 hours" if days == 1 else f"Next {counted(days, 'day')}"
    return Answer(headline if parts else "No schedules found.", tuple(parts), Tone.WARNING if failed else Tone.PLAIN)


def _outlooks(cluster: str, facts: Facts, context: PlanContext) -> list[Forecast]:
    found = [make_forecast(item, schedule_view(cluster, context), context.now) for item in facts.all("schedules")]
    return sorted(found, key=lambda each: each.name)


def _told(found: Forecast, cluster: str, until: datetime, days: int, context: PlanContext) -> str | list[CalendarEntry]:
    """Entries, or a sentence where they would bury the others."""
    if found.schedule is None:
        return f"{found.name}: doesn't run: {found.fault}"
    if found.paused:
        return f"{found.name}: paused ({describe_expression(found, schedule_view(cluster, context))})"
    runs = [run for run in found.runs(FREQUENT_RUNS * days + 1, without_horizon=True) if run <= until]
    if len(runs) > FREQUENT_RUNS * days:
        held = f", paused until {found.horizon:%Y-%m-%d %H:%M} UTC" if found.horizon is not None else ""
        return f"{found.name}: {describe_expression(found, schedule_view(cluster, context))}{held}"
    held_until = found.horizon or context.now
    return [CalendarEntry(run, found.name, cluster, skipped=run <= held_until) for run in runs]


def _rows(entries: list[CalendarEntry], context: PlanContext, *, several: bool) -> Iterable[tuple[str, ...]]:
    """The day once, where it begins."""
    before = ""
    for entry in entries:
        shown = entry.at.astimezone(zone_of(context.timezone))
        day = shown.strftime("%a %Y-%m-%d")
        where = (entry.cluster,) if several else ()
        yield (
            day if day != before else "",
            shown.strftime("%H:%M"),
            *where,
            entry.name,
            "skipped" if entry.skipped else "",
        )
        before = day


CALENDAR = Verb(
    noun="schedule",
    name="calendar",
    summary="Show upcoming runs of all schedules",
    effect=Effect.READ,
    args=Args(),
    flags=(
        Flag("days", INT, "Number of days. Default: 7", group="Time", ours=True),
        Flag("selector", TEXT, "Filter by label selector", short="l", group="Filter"),
        ALL_CLUSTERS,
    ),
    needs=needs,
    answer=answer,
    fans_out=True,
    examples=("schedule calendar", "schedule calendar --days 2 --cluster prod"),
)
