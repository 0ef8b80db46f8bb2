"""Resolves `--namespaces`, `--type` and `--app`, which only the bot has, to plain namespaces and a label selector.

A preset is a label selector for namespaces, from the settings. An application comes from the settings or is discovered
from the labels that KOTS sets. A preset or application never reaches a namespace that the requester can't access, and
an application that includes one isn't shown at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from commands.grammar.command import Command
from commands.grammar.format_flags import format_cli_command
from commands.grammar.nearest import nearest
from commands.planning import object_fields
from commands.planning.context import Application, PlanContext
from commands.planning.facts import Facts
from domain.errors import NotFound, Refused, UsageError
from domain.json_types import Json
from domain.selectors import parse_selector, selector_matches

TYPE_ANNOTATION = "velero-chatops.io/type"
APPLICATION_ANNOTATION = "velero-chatops.io/application"
APP_SLUG_LABEL = "kots.io/app-slug"
NOT_FOR_DISASTER_RECOVERY = "Partial backups aren't suitable for disaster recovery: they can't be restored to a new cluster. Use --type full for that."
_SCOPES = ("include-namespaces", "namespaces", "type")


@dataclass(frozen=True, slots=True)
class ResolvedScope:
    """`command` has only the CLI's flags; `notes` say what was resolved; `fields` come from an application's template."""

    command: Command
    notes: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)


def resolve_scope(cmd: Command, facts: Facts, context: PlanContext) -> ResolvedScope:
    """Replace the bot's own scope flags. Raises UsageError, NotFound or Refused."""
    given = [flag for flag in _SCOPES if cmd.has_flag(flag)]
    own_flags = [flag for flag in given if flag != "include-namespaces"]
    if own_flags and cmd.has_flag("from-schedule"):
        raise UsageError(
            f"--{own_flags[0]} can't be combined with --from-schedule.",
            why="The schedule defines what is backed up.",
            fix=f"backup create --from-schedule {cmd.text('from-schedule')}",
        )
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} can't be combined.", why="Both select namespaces.")
    if cmd.has_flag("app") and cmd.text("type") != "partial":
        raise UsageError("--app needs --type partial.", fix="Add --type partial.")
    if cmd.has_flag("namespaces"):
        return _resolve_preset(cmd, facts, context)
    if cmd.has_flag("type"):
        return (
            _resolve_full(cmd, facts, context) if cmd.text("type") == "full" else _resolve_partial(cmd, facts, context)
        )
    return ResolvedScope(cmd)


def _with_cli_flags(cmd: Command, **changes: Any) -> Command:
    """Return the command without the bot's own scope flags, and with its line for the velero CLI."""
    from commands.backup.spec import FLAGS

    kept = {name: value for name, value in cmd.flags.items() if name not in {"namespaces", "type", "app"}}
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    command = replace(cmd, flags={**kept, **changed})
    return replace(command, cli=format_cli_command(command, FLAGS))


def _resolve_preset(cmd: Command, facts: Facts, context: PlanContext) -> ResolvedScope:
    name = cmd.text("namespaces")
    configured = tuple(key for key, selector in context.presets.items() if selector)
    if name == "all":
        return ResolvedScope(
            _with_cli_flags(cmd, include_namespaces=["*"]),
            ("`all` includes every namespace, also ones created later.",),
        )
    if name not in context.presets:
        raise UsageError(f"Unknown namespace preset `{name}`.", nearest=("all", *configured), fix="--namespaces all")
    selector = context.presets[name]
    if not selector:
        raise UsageError(
            f"Namespace preset `{name}` isn't configured.",
            why="The settings have no label selector for it under [scopes].",
            nearest=("all", *configured),
        )
    found = sorted(
        object_fields.name(item)
        for item in facts.all("namespaces")
        if selector_matches(
            parse_selector(selector), {key: str(value) for key, value in object_fields.labels(item).items()}
        )
    )
    if not found:
        raise NotFound(
            f"No namespace matches preset `{name}`.",
            why=f"None of the namespaces you can access has the labels {selector}.",
        )
    return ResolvedScope(
        _with_cli_flags(cmd, include_namespaces=found),
        (f"Preset `{name}` currently selects: {', '.join(found)} ({selector}).",),
    )


def applications(facts: Facts, context: PlanContext) -> tuple[Application, ...]:
    """Return the configured applications of this cluster, then those found in namespaces and backups of KOTS."""
    configured = [one for one in configured_applications(context) if is_visible(one, facts)]
    known = {one.name for one in configured}
    return (*configured, *(one for one in discovered_applications(facts) if one.name not in known))


def configured_applications(context: PlanContext) -> tuple[Application, ...]:
    return tuple(one for one in context.applications if one.cluster in {"", context.cluster.name})


def is_visible(app: Application, facts: Facts) -> bool:
    """All of its namespaces exist and the requester can access them: an application's name must not reveal others."""
    return not any(facts.is_absent("namespaces", name) for name in app.namespaces)


def discovered_applications(facts: Facts) -> Iterable[Application]:
    found: dict[str, set[str]] = {}
    for item in facts.all("namespaces"):
        if slug := object_fields.labels(item).get(APP_SLUG_LABEL):
            found.setdefault(str(slug), set()).add(object_fields.name(item))
    for item in facts.all("backups"):
        spec = object_fields.spec(item)
        if "kots.io/app-id" in object_fields.annotations_of(item) and (slug := _app_slug(spec)):
            found.setdefault(slug, set()).update(
                name for name in map(str, spec.get("includedNamespaces") or []) if name != "*"
            )
    for slug, names in sorted(found.items()):
        if names:
            yield Application(slug, tuple(sorted(names)), f"{APP_SLUG_LABEL}={slug}")


def _app_slug(spec: Json) -> str:
    for selector in (spec.get("labelSelector"), *(spec.get("orLabelSelectors") or [])):
        slug = ((selector or {}).get("matchLabels") or {}).get(APP_SLUG_LABEL)
        if slug:
            return str(slug)
    return ""


def _resolve_full(cmd: Command, facts: Facts, context: PlanContext) -> ResolvedScope:
    """Include whole namespaces of every application and of the platform; an application's selector doesn't narrow them."""
    apps = applications(facts, context)
    if not all(is_visible(app, facts) for app in configured_applications(context)):
        raise Refused(
            "A full backup includes applications that don't exist or that you can't access.",
            fix=f"Use --type partial --app {apps[0].name}." if apps else "Use --include-namespaces.",
        )
    if not apps:
        raise UsageError(
            "No applications found.",
            why="None is configured, and KOTS manages none in this cluster.",
            fix="Use --include-namespaces '*'.",
        )
    names = sorted({name for app in apps for name in app.namespaces} | set(context.platform_namespaces))
    changed = _with_cli_flags(cmd, include_namespaces=names, include_cluster_resources=True)
    notes = (f"Full backup: applications {', '.join(app.name for app in apps)}; namespaces {', '.join(names)}.",)
    annotations = {TYPE_ANNOTATION: "full", APPLICATION_ANNOTATION: json.dumps([app.name for app in apps])}
    return ResolvedScope(changed, notes, annotations)


def _resolve_partial(cmd: Command, facts: Facts, context: PlanContext) -> ResolvedScope:
    apps = applications(facts, context)
    names = tuple(app.name for app in apps)
    if not cmd.text("app"):
        raise UsageError(
            "--type partial needs an application.", nearest=names, fix=f"Add --app {names[0] if names else 'NAME'}."
        )
    app = next((one for one in apps if one.name == cmd.text("app")), None)
    if app is None:
        raise NotFound(
            f"Application `{cmd.text('app')}` doesn't exist.",
            why="All of its namespaces must exist, and you need access to them.",
            nearest=nearest(cmd.text("app"), names) or names[:5],
        )
    changes: dict[str, Any] = {"include_namespaces": list(app.namespaces)}
    if app.selector and not cmd.has_flag("selector") and not cmd.has_flag("or-selector"):
        changes["selector"] = parse_selector(app.selector)
    notes = (
        f"Application {app.name}: namespaces {', '.join(app.namespaces)}"
        + (f"; only objects with {app.selector}." if app.selector else "."),
        NOT_FOR_DISASTER_RECOVERY,
    )
    return ResolvedScope(
        _with_cli_flags(cmd, **changes),
        notes,
        {TYPE_ANNOTATION: "partial", APPLICATION_ANNOTATION: app.name},
        dict(app.template),
    )


def fill_from_template(spec: Json, fields: Mapping[str, Any]) -> Json:
    """Fill the fields that the command leaves open from an application's template."""
    given = {key: value for key, value in spec.items() if value not in ("0s", {}, None)}
    return {**spec, **fields, **given}
