"""`schedule calendar`: the next days of all schedules."""

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
from commands.schedule.forecast import Forecast, describe_expression, in_both_zones, make_forecast, zone_of
from commands.schedule.get import schedule_view
from domain.answer import Answer, Part, Table, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError, UsageError

MAX_DAYS = 31
FREQUENT_RUNS = 4
"""Runs per day above which a schedule is described in one sentence."""


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
    if not 1 <= days <= MAX_DAYS:
        raise UsageError(f"--days must be from 1 to {MAX_DAYS}, not {days}.")
    until = context.now + timedelta(days=days)
    parts: list[Part] = []
    entries: list[CalendarEntry] = []
    for cluster, facts in world.items():
        if isinstance(facts, ClusterError):
            parts.append(Text(f"Cluster {cluster} couldn't be read: {facts.text}"))
            continue
        for found in _forecasts(cluster, facts, context):
            listed = _entries(found, cluster, until, days, context)
            if isinstance(listed, str):
                parts.append(Text(listed))
            else:
                entries += listed
    entries.sort(key=lambda entry: (entry.at, entry.name))
    is_fleet = len(world) > 1
    if entries:
        columns = ("DAY", "TIME", *(("CLUSTER",) if is_fleet else ()), "SCHEDULE", "")
        parts.insert(0, Table(columns, tuple(_rows(entries, context, is_fleet=is_fleet)), caption=context.timezone))
    failed = any(isinstance(facts, ClusterError) for facts in world.values())
    headline = "Next 24 hours" if days == 1 else f"Next {counted(days, 'day')}"
    return Answer(headline if parts else "No schedules found.", tuple(parts), Tone.WARNING if failed else Tone.PLAIN)


def _forecasts(cluster: str, facts: Facts, context: PlanContext) -> list[Forecast]:
    found = [make_forecast(item, schedule_view(cluster, context), context.now) for item in facts.all("schedules")]
    return sorted(found, key=lambda each: each.name)


def _entries(
    found: Forecast, cluster: str, until: datetime, days: int, context: PlanContext
) -> str | list[CalendarEntry]:
    """The runs as entries, or a sentence for a schedule that runs too often to list."""
    if found.schedule is None:
        return f"{found.name}: doesn't run: {found.error}"
    if found.paused:
        return f"{found.name}: paused ({describe_expression(found, schedule_view(cluster, context))})"
    runs = [run for run in found.runs(FREQUENT_RUNS * days + 1, without_horizon=True) if run <= until]
    if len(runs) > FREQUENT_RUNS * days:
        held = f", skipping until {in_both_zones(found.horizon, context)}" if found.horizon is not None else ""
        return f"{found.name}: {describe_expression(found, schedule_view(cluster, context))}{held}"
    held_until = found.horizon or context.now
    return [CalendarEntry(run, found.name, cluster, skipped=run <= held_until) for run in runs]


def _rows(entries: list[CalendarEntry], context: PlanContext, *, is_fleet: bool) -> Iterable[tuple[str, ...]]:
    """The day is shown once, in its first row."""
    before = ""
    for entry in entries:
        shown = entry.at.astimezone(zone_of(context.timezone))
        day = shown.strftime("%a %Y-%m-%d")
        where = (entry.cluster,) if is_fleet else ()
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
