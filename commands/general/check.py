"""The verb `check NAMESPACE|APP`: whether it is protected, by which backup and volumes, and when the next run is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from commands.backup.findings import VOLUMES, read_findings
from commands.backup.namespace_presets import is_visible
from commands.grammar.command import Command
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, output
from commands.planning.context import Application, PlanContext
from commands.planning.facts import Facts, FactsByCluster, FileNeed, Needs, ObjectNeed
from commands.schedule.forecast import format_clock, make_forecast
from domain.answer import Answer, Button, Fields, Part, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError, NotFound
from domain.json_types import Json
from policy.globs import BadPattern, is_pattern, matches_glob
from velero.artifacts.volumes import Volume

STALE_PERIODS = 2.0
"""A backup older than this many intervals of its schedule is stale."""


@dataclass(frozen=True, slots=True)
class Subject:
    name: str
    namespaces: tuple[str, ...]
    app: bool = False


@dataclass(frozen=True, slots=True)
class Protection:
    """How well one subject is protected. `partial` is a newer backup that failed or is incomplete."""

    good: Json | None
    partial: Json | None
    schedules: tuple[Json, ...]
    volumes: tuple[Volume, ...] | None
    redacted: bool = False


def needs(cmd: Command, known: Facts) -> Needs:
    """Volume lists are read once the facts show which backups may be the last Completed one."""
    return Needs.of(
        ObjectNeed("backups", fresh=True),
        ObjectNeed("schedules"),
        ObjectNeed("namespaces", optional=True),
        *(FileNeed(VOLUMES, name) for name in candidates(cmd.name, known) if ("backups", name) not in known.redacted),
    )


def candidates(name: str, known: Facts) -> tuple[str, ...]:
    """Names of the backups whose volumes may be shown: the last Completed one of a namespace, the newest three for an app.

    The namespaces of an application are known only to `answer`.
    """
    if known.get("namespaces", name) is not None:
        good = last_good(known, (name,))
        return (object_fields.name(good),) if good is not None else ()
    whole = [
        one
        for one in known.all("backups")
        if object_fields.phase(one) == "Completed" and not is_narrowed(object_fields.spec(one))
    ]
    return tuple(object_fields.name(one) for one in sorted(whole, key=_started, reverse=True)[:3])


def answer(cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    facts = next(iter(world.values()))
    if isinstance(facts, ClusterError):
        raise facts
    about = subject(cmd.name, facts, context)
    return protection_answer(about, protection(about, facts), context)


def subject(name: str, facts: Facts, context: PlanContext) -> Subject:
    app = next(
        (one for one in context.applications if one.name == name and _here(one, context) and is_visible(one, facts)),
        None,
    )
    if app is not None:
        return Subject(name, app.namespaces, app=True)
    if facts.is_absent("namespaces", name):
        apps = (one.name for one in context.applications if is_visible(one, facts))
        near = (*facts.nearest("namespaces", name), *apps)
        raise NotFound(f"Namespace or application `{name}` doesn't exist.", nearest=near[:5])
    return Subject(name, (name,))


def _here(app: Application, context: PlanContext) -> bool:
    return not app.cluster or app.cluster == context.cluster.name


def covers_namespace(spec: Json, namespace: str) -> bool:
    """Whether a backup of this spec contains the namespace by its namespace lists; `is_narrowed` judges kinds and labels."""
    included = [str(each) for each in spec.get("includedNamespaces") or ["*"]]
    excluded = [str(each) for each in spec.get("excludedNamespaces") or []]
    return any(_fits(each, namespace) for each in included) and not any(_fits(each, namespace) for each in excluded)


def is_narrowed(spec: Json) -> bool:
    fields = ("includedResources", "labelSelector", "orLabelSelectors", "includedNamespaceScopedResources")
    return any(spec.get(field) not in (None, [], {}, ["*"]) for field in fields)


def _fits(pattern: str, name: str) -> bool:
    if pattern in {"*", name}:
        return True
    try:
        return is_pattern(pattern) and matches_glob(pattern, name)
    except BadPattern:
        return False


def last_good(facts: Facts, namespaces: tuple[str, ...]) -> Json | None:
    whole = [item for item in _of(facts, namespaces) if object_fields.phase(item) == "Completed" and not _going(item)]
    return max(whole, key=_started, default=None)


def _going(item: Json) -> bool:
    return bool((item.get("metadata") or {}).get("deletionTimestamp"))


def _of(facts: Facts, namespaces: tuple[str, ...]) -> list[Json]:
    return [
        item
        for item in facts.all("backups")
        if all(covers_namespace(object_fields.spec(item), one) for one in namespaces)
        and not is_narrowed(object_fields.spec(item))
    ]


def _started(item: Json) -> datetime:
    return object_fields.created(item) or datetime.min.replace(tzinfo=UTC)


def protection(about: Subject, facts: Facts) -> Protection:
    good = last_good(facts, about.namespaces)
    newer = [
        item for item in _of(facts, about.namespaces) if object_fields.phase(item) in {"PartiallyFailed", "Failed"}
    ]
    newer = [item for item in newer if good is None or _started(item) > _started(good)]
    schedules = [
        item
        for item in facts.all("schedules")
        if all(covers_namespace(object_fields.spec(item).get("template") or {}, one) for one in about.namespaces)
        and not is_narrowed(object_fields.spec(item).get("template") or {})
    ]
    seen = read_findings(facts, good).volumes if good is not None else None
    mine = None if seen is None else tuple(one for one in seen if one.namespace in about.namespaces)
    hidden = good is not None and ("backups", object_fields.name(good)) in facts.redacted
    return Protection(good, max(newer, key=_started, default=None), tuple(schedules), mine, hidden)


def protection_answer(about: Subject, state: Protection, context: PlanContext) -> Answer:
    verdict, tone = judge_protection(about, state, context)
    rows = [*_good(state, context), *_next(state, context)]
    parts: list[Part] = [Fields(tuple(rows))] if rows else []
    parts += _volumes(state)
    if state.partial is not None:
        when = object_fields.relative_time_in_words(_started(state.partial), context.now)
        name, phase = object_fields.name(state.partial), object_fields.phase(state.partial)
        parts.append(Text(f"Latest backup: {name}, {when}, {phase}."))
    if about.app:
        parts.append(Text(f"Application in namespaces {', '.join(about.namespaces)}."))
    return Answer(verdict, tuple(parts), tone, _buttons(about, state, context), namespaces=frozenset(about.namespaces))


def judge_protection(about: Subject, state: Protection, context: PlanContext) -> tuple[str, Tone]:
    """Return the headline and its tone."""
    if state.good is None:
        scheduled = (
            "A schedule covers it, but no run has completed yet." if state.schedules else "No schedule covers it."
        )
        return f"`{about.name}` is not protected: it has no Completed backup. {scheduled}", Tone.BAD
    age = object_fields.relative_time_in_words(_started(state.good), context.now)
    last = f"Last Completed backup: {object_fields.name(state.good)}, {age}."
    bare = [one for one in state.volumes or () if not one.has_data]
    if bare:
        missing = f"{counted(len(bare), 'volume')} {'has' if len(bare) == 1 else 'have'} no data"
        return f"`{about.name}` is partly protected: {missing}. {last}", Tone.WARNING
    if not any(object_fields.spec(item).get("paused") is not True for item in state.schedules):
        return f"`{about.name}` has no active schedule. {last}", Tone.WARNING
    if is_stale(state, context):
        return f"`{about.name}` has no recent backup. {last}", Tone.WARNING
    if state.partial is not None:
        return f"`{about.name}` is protected, but the latest backup failed. {last}", Tone.WARNING
    return f"`{about.name}` is protected. {last}", Tone.GOOD


def is_stale(state: Protection, context: PlanContext) -> bool:
    """Whether the last Completed backup is older than `STALE_PERIODS` intervals of the most frequent schedule."""
    views = (make_forecast(item, context.cluster, context.now) for item in state.schedules)
    periods = [view.period for view in views if view.period and not view.paused]
    if not periods or state.good is None:
        return False
    return (context.now - _started(state.good)).total_seconds() > STALE_PERIODS * min(periods)


def _good(state: Protection, context: PlanContext) -> list[tuple[str, str]]:
    if state.good is None:
        return []
    expires = object_fields.parse_time(object_fields.status(state.good).get("expiration"))
    left = object_fields.relative_time(expires, context.now) if expires else "-"
    return [
        (
            "Last Completed backup",
            f"{object_fields.name(state.good)}, {object_fields.format_time(object_fields.created(state.good), context.timezone)}",
        ),
        ("Expires", left),
        ("Storage location", str(object_fields.spec(state.good).get("storageLocation") or "-")),
    ]


def _next(state: Protection, context: PlanContext) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for item in state.schedules[:5]:
        view = make_forecast(item, context.cluster, context.now)
        runs = [] if view.paused else view.runs(1)
        when = (
            f"{format_clock(runs[0], context.timezone)} {context.timezone}"
            if runs
            else "paused"
            if view.paused
            else "never"
        )
        rows.append((f"Next run of {view.name}", when))
    return rows


def _volumes(state: Protection) -> list[Part]:
    if state.redacted:
        return [Text("The volume list is hidden: this backup includes namespaces you can't access.")]
    if state.volumes is None:
        return [Text("The volume list of this backup can't be read.")] if state.good is not None else []
    saved = [one for one in state.volumes if one.has_data]
    bare = [
        f"• {one.shown}: {'; '.join(one.why) or 'no backup method applied'}"
        for one in state.volumes
        if not one.has_data
    ]
    summary = (
        f"Volume data: {len(saved)} of {counted(len(state.volumes), 'volume')}."
        if state.volumes
        else "The backup contains no volume data."
    )
    return [Text("\n".join([summary, *bare[:10]]))]


def _buttons(about: Subject, state: Protection, context: PlanContext) -> tuple[Button, ...]:
    buttons = []
    if state.good is not None:
        buttons.append(
            Button(
                "View backup", output.with_cluster_flag(f"backup describe {object_fields.name(state.good)}", context)
            )
        )
    elif len(about.namespaces) == 1:
        line = f"backup create {about.name}-{context.stamp()} --include-namespaces {about.name} --dry-run"
        buttons.append(Button("Preview backup", output.with_cluster_flag(line, context)))
    return tuple(buttons)


CHECK = Verb(
    noun="check",
    name="",
    summary="Check whether a namespace or application is protected",
    effect=Effect.READ,
    args=Args("NAMESPACE|APP", 1, 1, "namespaces"),
    needs=needs,
    answer=answer,
    examples=("check shop",),
)
