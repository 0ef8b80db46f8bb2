"""`schedule get`: the schedules, when they run in words, and their next runs."""

from __future__ import annotations

import json

import yaml

from commands.grammar.command import Command
from commands.grammar.flags import TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields
from commands.planning.context import ClusterView, PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ObjectNeed
from commands.planning.output import ALL_CLUSTERS, LIST_FLAGS
from commands.schedule.forecast import Forecast, describe_expression, forecast_lines, format_clock, make_forecast
from commands.schedule.intent import intent_need, read_intent
from domain.answer import Answer, Button, Code, Part, Table, Text, Tone
from domain.counting import counted
from domain.duration import BadDuration, format_human
from domain.duration import parse as parse_duration
from domain.errors import ClusterError, NotFound
from domain.json_types import Json
from store.tables.schedules import ScheduleState

Row = tuple[str, Json, Forecast, ScheduleState | None]
VELERO_DEFAULT_TTL = "Velero's default (30 days unless changed)"


def needs(cmd: Command, known: Facts) -> Needs:
    shared = (ObjectNeed("namespaces", optional=True), intent_need(known))
    if cmd.names and not cmd.text("selector"):
        return Needs.of(*(ObjectNeed("schedules", name) for name in cmd.names), *shared)
    return Needs.of(ObjectNeed("schedules", label=cmd.text("selector")), *shared)


def answer(cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    rows: list[Row] = []
    parts: list[Part] = []
    for cluster, facts in world.items():
        if isinstance(facts, ClusterError):
            parts.append(Text(f"Cluster {cluster} couldn't be read: {facts.text}"))
            continue
        check_exist(cmd, facts)
        rows += _rows(cluster, facts, context)
    rows.sort(key=lambda row: (row[2].name, row[0]))
    if cmd.text("output") in {"json", "yaml"}:
        return Answer(counted(len(rows), "schedule"), (*parts, _dump(cmd, [row[1] for row in rows])))
    is_fleet = len(world) > 1
    if rows:
        parts.append(
            Table(_columns(cmd, is_fleet=is_fleet), tuple(_cells(cmd, row, context, is_fleet=is_fleet) for row in rows))
        )
    if len(rows) == 1:
        local = PlanContext(context.now, context.new_id, schedule_view(rows[0][0], context), timezone=context.timezone)
        parts += [Text(line) for line in forecast_lines(rows[0][2], local)]
    failed = any(isinstance(facts, ClusterError) for facts in world.values())
    headline = counted(len(rows), "schedule") if rows else "No schedules found."
    return Answer(headline, tuple(parts), Tone.WARNING if failed else Tone.PLAIN, buttons=_buttons(rows))


def _rows(cluster: str, facts: Facts, context: PlanContext) -> list[Row]:
    view = schedule_view(cluster, context)
    return [
        (cluster, item, make_forecast(item, view, context.now), read_intent(facts, item))
        for item in facts.all("schedules")
    ]


def schedule_view(cluster: str, context: PlanContext) -> ClusterView:
    return context.clusters.get(cluster) or context.cluster


def check_exist(cmd: Command, facts: Facts) -> None:
    """Raises NotFound for the first schedule that doesn't exist."""
    for name in cmd.names:
        if facts.get("schedules", name) is None:
            raise NotFound(
                f"Schedule `{name}` doesn't exist in {facts.cluster}.", nearest=facts.nearest("schedules", name)
            )


def status_text(item: Json, found: Forecast, state: ScheduleState | None = None) -> str:
    """Velero's phase and what it means."""
    phase = str(object_fields.status(item).get("phase") or "")
    if phase == "FailedValidation":
        return "FailedValidation (doesn't run)"
    if found.paused:
        return f"Paused{paused_by(state)}"
    if found.horizon is not None:
        return f"{phase or 'New'} (skipping)"
    if not phase:
        return "New (not processed by Velero yet)"
    return f"{phase} ({'active' if found.marks.last_backup else 'no runs yet'})"


def format_ttl(ttl: object) -> str:
    """`30 days`; a value that isn't a duration is shown as it is."""
    try:
        span = parse_duration(str(ttl or "0s"))
    except BadDuration:
        return str(ttl)
    return format_human(span) if span else VELERO_DEFAULT_TTL


def paused_by(state: ScheduleState | None) -> str:
    if state is None or not state.paused:
        return ""
    return " outside Slack" if state.paused_outside else f" by {state.who}" if state.who else ""


def _columns(cmd: Command, *, is_fleet: bool) -> tuple[str, ...]:
    names = ["NAME", "STATUS", "SCHEDULE", "WORDS", "NEXT RUN", "LAST BACKUP", "LAST SKIPPED", "KEEP FOR", "PAUSED"]
    wide = ["CREATED", "STORAGE LOCATION", "SELECTOR"] if cmd.text("output") == "wide" else []
    extra = [*cmd.strings("label-columns"), *(["LABELS"] if cmd.is_true("show-labels") else [])]
    return (*(["CLUSTER"] if is_fleet else []), *names, *wide, *extra)


def _cells(cmd: Command, row: Row, context: PlanContext, *, is_fleet: bool) -> tuple[str, ...]:
    cluster, item, found, state = row
    template = object_fields.spec(item).get("template") or {}
    runs = [] if found.paused else found.runs(1)
    cells = [
        found.name,
        status_text(item, found, state),
        found.expr,
        describe_expression(found, schedule_view(cluster, context)),
        format_clock(runs[0], context.timezone) if runs else "-",
        object_fields.relative_time(found.marks.last_backup, context.now),
        object_fields.format_time(found.marks.last_skipped, context.timezone) if found.marks.last_skipped else "-",
        format_ttl(template.get("ttl")),
        "true" if found.paused else "false",
    ]
    if cmd.text("output") == "wide":
        cells += [
            object_fields.format_time(found.marks.created, context.timezone),
            str(template.get("storageLocation") or "-"),
            json.dumps(template["labelSelector"]) if template.get("labelSelector") else "<none>",
        ]
    marks = object_fields.labels(item)
    cells += [str(marks.get(key, "")) for key in cmd.strings("label-columns")]
    if cmd.is_true("show-labels"):
        cells.append(",".join(f"{key}={value}" for key, value in sorted(marks.items())) or "<none>")
    return (*([cluster] if is_fleet else []), *cells)


def _buttons(rows: list[Row]) -> tuple[Button, ...]:
    if len(rows) != 1:
        return ()
    return buttons(rows[0][2], rows[0][0])


def buttons(found: Forecast, cluster: str) -> tuple[Button, ...]:
    at = f" --cluster {cluster}" if cluster else ""
    held = (
        Button("Resume", f"schedule resume {found.name}{at}")
        if found.paused
        else Button("Cancel skip", f"schedule unskip {found.name}{at}")
        if found.horizon is not None
        else Button("Skip next run", f"schedule skip {found.name}{at}")
    )
    return (Button("Run now", f"schedule run {found.name}{at}"), held)


def _dump(cmd: Command, items: list[Json]) -> Code:
    shown: object = items[0] if len(items) == 1 else {"apiVersion": "v1", "kind": "List", "items": items}
    text = json.dumps(shown, indent=2) if cmd.text("output") == "json" else yaml.safe_dump(shown, sort_keys=False)
    return Code(text, language=cmd.text("output"))


GET = Verb(
    noun="schedule",
    name="get",
    summary="List schedules and their next runs",
    effect=Effect.READ,
    args=Args("NAME", 0, 50, "schedules"),
    flags=(
        *LIST_FLAGS,
        Flag("selector", TEXT, "Filter by label selector", short="l", group="Filter"),
        ALL_CLUSTERS,
    ),
    needs=needs,
    answer=answer,
    examples=("schedule get", "schedule get nightly", "schedule get -A -o wide"),
)
