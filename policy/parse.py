"""Parses the rules of a settings file: returns all rules, or all errors with their places."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policy.globs import BadPattern, matches_glob, tokens
from policy.guards import FORBIDDABLE, LIFTABLE
from policy.modifiers import ModifierLimits, ModifierReach
from policy.rules import ApprovalTerms, Effect, Rule, Who, is_about
from policy.safety_backup import RESTORE
from policy.scope import Hooks, NamespaceScope, RuleScope
from policy.table_reader import TableError, TableReader
from policy.time_windows import DAYS, TimeWindow

KEYS = (
    "name",
    "who",
    "what",
    "clusters",
    "namespaces",
    "kinds",
    "cluster_scoped",
    "hooks",
    "configmaps",
    "modifiers",
    "locations",
    "effect",
    "quorum",
    "approvers",
    "expires",
    "notify",
    "during",
    "lifts",
    "refuses",
    "reason_required",
    "safety_backup",
    "break_glass",
)
DEFAULT_APPROVAL_LIFETIME_S = 3600
_WHO = ("groups", "users", "pipelines", "anyone", "terminal", "timer")
_WINDOW = ("days", "from", "to", "zone")
_WHAT = re.compile(r"[a-z*?][a-z*?-]*(\.[a-z*?][a-z*?-]*)?")
_NAME = re.compile(r"[a-z0-9*?\[]([a-z0-9*?\[\]-]*[a-z0-9*?\]])?")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Known names: `noun.verb` of every verb, and clusters. An empty list isn't checked.

    `synonyms` maps other names of a verb to the one that rules use.
    """

    verbs: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    synonyms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleErrors:
    faults: tuple[TableError, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(f"rules{fault}" for fault in self.faults)


def parse_rules(
    entries: Sequence[Any], known: Vocabulary | None = None, *, expires: int = DEFAULT_APPROVAL_LIFETIME_S
) -> tuple[Rule, ...] | RuleErrors:
    """Parse rules. `expires` is the default lifetime of an approval request in seconds."""
    found: list[Rule] = []
    faults: list[TableError] = []
    for index, data in enumerate(entries):
        if not isinstance(data, Mapping):
            faults.append(TableError(index, "", "Each rule must be a table."))
            continue
        entry = TableReader(index, data, faults=faults)
        rule = _rule(entry, known or Vocabulary(), expires)
        if any(rule.name == each.name for each in found):
            entry.add_error("name", f"Duplicate rule name {rule.name!r}.")
        found.append(rule)
    return RuleErrors(tuple(faults)) if faults else tuple(found)


def _rule(entry: TableReader, known: Vocabulary, expires: int) -> Rule:
    entry.allow_only(KEYS)
    effect = Effect(entry.choice("effect", tuple(Effect), required=True) or Effect.DENY)
    rule = Rule(
        name=entry.text("name", required=True),
        who=_who(entry),
        what=_what(entry, known),
        effect=effect,
        clusters=_clusters(entry, known),
        where=_where(entry),
        during=_windows(entry),
        lifts=_guards(entry, "lifts", LIFTABLE),
        refuses=_guards(entry, "refuses", FORBIDDABLE),
        approvals=_approvals(entry, effect, expires),
        reason_required=bool(entry.flag("reason_required")),
        safety_backup=entry.flag("safety_backup"),
        break_glass=_handles(entry.texts("break_glass")),
    )
    _check_combination(entry, rule)
    return rule


def _who(entry: TableReader) -> Who:
    value = entry.data.get("who")
    if value is None:
        entry.add_error("who", "Required setting is missing.", allowed=("anyone", *_WHO))
        return Who()
    if isinstance(value, str):
        if value != "anyone":
            entry.add_error(
                "who", f'{value!r} isn\'t a table such as {{ groups = ["…"] }}.', got=value, allowed=("anyone",)
            )
        return Who(anyone=True)
    table = entry.nested("who", value)
    table.allow_only(_WHO)
    who = Who(
        groups=_handles(table.texts("groups")),
        users=_handles(table.texts("users")),
        pipelines=_handles(table.texts("pipelines")),
        anyone=bool(table.flag("anyone")),
        terminal=bool(table.flag("terminal")),
        timer=bool(table.flag("timer")),
    )
    if who == Who() and not table.faults:
        entry.add_error("who", "`who` includes no one.", allowed=_WHO)
    return who


def _handles(names: tuple[str, ...] | None) -> frozenset[str]:
    """Normalize names: `@oncall` equals `oncall`; email addresses compare without case."""
    plain = (name.removeprefix("@") for name in names or ())
    return frozenset(name.casefold() if "@" in name else name for name in plain)


def _what(entry: TableReader, known: Vocabulary) -> tuple[str, ...]:
    found = entry.texts("what", required=True) or ()
    for each in found:
        if not _WHAT.fullmatch(each):
            entry.add_error(
                "what",
                f"{each!r} isn't a verb such as backup.create, backup.* or *.get.",
                got=each,
                allowed=known.verbs,
            )
        elif (meant := known.synonyms.get(each)) is not None:
            entry.add_error("what", f"Use {meant!r} instead of {each!r} in rules.", allowed=(meant,))
        elif known.verbs and not any(is_about(each, verb) for verb in known.verbs):
            entry.add_error("what", f"{each!r} matches no command.", got=each, allowed=known.verbs)
    return found


def _clusters(entry: TableReader, known: Vocabulary) -> tuple[str, ...]:
    found = entry.texts("clusters")
    for each in found or ():
        if not _check_pattern(entry, "clusters", each):
            continue
        if known.clusters and not any(matches_glob(each, name) for name in known.clusters):
            entry.add_error("clusters", f"{each!r} matches no cluster.", got=each, allowed=known.clusters)
    return found or ("*",)


def _where(entry: TableReader) -> RuleScope:
    kinds, locations = entry.texts("kinds"), entry.texts("locations")
    for each in locations or ():
        _check_pattern(entry, "locations", each)
    hooks = entry.choice("hooks", tuple(Hooks))
    return RuleScope(
        namespaces=_namespaces(entry),
        kinds=None if kinds is None else frozenset(kind.lower() for kind in kinds),
        cluster_scoped=entry.flag("cluster_scoped"),
        hooks=Hooks(hooks) if hooks else None,
        configmaps=entry.flag("configmaps"),
        modifiers=_modifiers(entry),
        locations=locations,
    )


def _modifiers(entry: TableReader) -> ModifierLimits | None:
    """`"metadata"`, or `{ most = "any", kinds = ["deployments.apps"], paths = ["/spec/replicas"] }`."""
    value = entry.data.get("modifiers")
    if value is None:
        return None
    if isinstance(value, str):
        return ModifierLimits(ModifierReach(entry.choice("modifiers", tuple(ModifierReach)) or ModifierReach.NONE))
    table = entry.nested("modifiers", value)
    table.allow_only(("most", "kinds", "paths"))
    kinds, paths = table.texts("kinds"), table.texts("paths")
    for path in paths or ():
        if not path.startswith("/") or path == "/":
            table.add_error("paths", f"{path!r} isn't a JSON pointer such as /spec/replicas.")
    return ModifierLimits(
        ModifierReach(table.choice("most", tuple(ModifierReach), required=True) or ModifierReach.NONE),
        None if kinds is None else frozenset(kind.lower() for kind in kinds),
        paths,
    )


def _namespaces(entry: TableReader) -> NamespaceScope | None:
    found = entry.texts("namespaces")
    if found is None:
        return None
    names, labels = [], []
    for each in found:
        if each.startswith("label:"):
            key, _, value = each.removeprefix("label:").partition("=")
            labels.append((key.strip(), value.strip()))
            if not key.strip():
                entry.add_error("namespaces", f"{each!r} has no label key. Use label:team=shop or label:team.")
        elif _check_pattern(entry, "namespaces", each):
            names.append(each)
            if not _NAME.fullmatch(each):
                entry.add_error(
                    "namespaces",
                    f"{each!r} isn't a valid namespace or pattern. Use lowercase letters, digits, - and wildcards.",
                )
    return NamespaceScope(tuple(names), tuple(labels))


def _check_pattern(entry: TableReader, key: str, pattern: str) -> bool:
    try:
        tokens(pattern)
    except BadPattern as bad:
        entry.add_error(key, f"{bad}.")
        return False
    return True


def _guards(entry: TableReader, key: str, known: tuple[str, ...]) -> frozenset[str]:
    found = entry.texts(key) or ()
    for each in found:
        if each not in known:
            entry.add_error(key, f"Unknown guard {each!r}.", got=each, allowed=known)
    return frozenset(found)


def _approvals(entry: TableReader, effect: Effect, expires: int) -> ApprovalTerms:
    approvers = entry.texts("approvers", required=effect is Effect.APPROVE) or ()
    if not approvers and "quorum" in entry.data:
        entry.add_error("quorum", "quorum needs approvers.")
    return ApprovalTerms(
        quorum=entry.integer("quorum", 1, least=1),
        approvers=tuple(dict.fromkeys(name.removeprefix("@") for name in approvers)),
        expires=entry.seconds("expires", expires),
        notify=entry.texts("notify") or (),
    )


def _windows(entry: TableReader) -> tuple[TimeWindow, ...]:
    value = entry.data.get("during")
    if value is None:
        return ()
    tables = value if isinstance(value, (list, tuple)) else [value]
    if not tables:
        entry.add_error(
            "during",
            '`during` is empty. Remove it, or add a window such as { days = ["fri"], from = "16:00", to = "23:59" }.',
        )
    return tuple(_window(entry.nested(f"during[{at}]", table)) for at, table in enumerate(tables))


def _window(entry: TableReader) -> TimeWindow:
    entry.allow_only(_WINDOW)
    days = entry.texts("days")
    for day in days or ():
        if day not in DAYS:
            entry.add_error("days", f"{day!r} isn't a day of the week.", got=day, allowed=DAYS)
    zone = entry.text("zone") or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        entry.add_error("zone", f"{zone!r} isn't a time zone. Use a name such as Europe/Berlin or UTC.")
    chosen = DAYS if days is None else tuple(day for day in DAYS if day in days)
    return TimeWindow(chosen, _clock(entry, "from"), _clock(entry, "to"), zone)


def _clock(entry: TableReader, key: str) -> time:
    value = entry.data.get(key, "00:00")
    if isinstance(value, time):
        return value
    if isinstance(value, str) and (found := _CLOCK.fullmatch(value)):
        return time(int(found[1]), int(found[2]))
    entry.add_error(key, f"{value!r} isn't a time of day such as 16:30.")
    return time(0)


def _check_combination(entry: TableReader, rule: Rule) -> None:
    if rule.safety_backup is not None and (rule.effect is Effect.DENY or not rule.is_about_verb(RESTORE)):
        entry.add_error("safety_backup", f"safety_backup is allowed only in rules that permit {RESTORE}.")
    if rule.effect is Effect.DENY:
        if rule.lifts:
            entry.add_error("lifts", "lifts has no effect in a deny rule. Remove it.")
        if rule.refuses:
            entry.add_error("refuses", "refuses has no effect in a deny rule. Remove it.")
        for key, value in (("cluster_scoped", False), ("hooks", Hooks.NONE), ("configmaps", False)):
            if getattr(rule.where, key) == value and entry.data.get(key) is not None:
                entry.add_error(key, "This value has no effect in a deny rule. Remove it, or set the opposite value.")
        if (
            rule.where.modifiers is not None
            and rule.where.modifiers.most is ModifierReach.NONE
            and "modifiers" in entry.data
        ):
            entry.add_error(
                "modifiers", "This value has no effect in a deny rule. Remove it, or set the opposite value."
            )
    if rule.break_glass and not (rule.effect is Effect.APPROVE or rule.is_freeze):
        entry.add_error(
            "break_glass", "break_glass works only in approval rules and freezes (deny rules with `during`)."
        )
