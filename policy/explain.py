"""Explains which rules were evaluated, and why each did or didn't decide: for `policy explain` and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.actor import Actor
from domain.counting import counted
from domain.decision import Decision
from policy.decide import judge
from policy.directory import Directory
from policy.globs import matches_glob
from policy.matching import Match, MatchResult, PolicyRequest, adds_duty_only, match_rule
from policy.rules import Effect, Rule, Who
from policy.safety_backup import RESTORE, SafetyBackupRule, safety_backup_rule
from policy.scope import Hooks, NamespaceScope


@dataclass(frozen=True, slots=True)
class ExplainedRule:
    """`names` lists namespaces: only for the operator's terminal, not for people who may not see them."""

    rule: str
    effect: str
    applies: bool
    decided: bool
    why: str
    names: tuple[str, ...] = ()

    @property
    def cells(self) -> tuple[str, str, str, str]:
        named = f" ({', '.join(self.names)})" if self.names else ""
        return (
            self.rule,
            self.effect,
            "decides" if self.decided else "applies" if self.applies else "-",
            self.why + named,
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """`net` is set for restores: whether a safety backup comes first, and by which rule."""

    rows: tuple[ExplainedRule, ...]
    decision: Decision
    net: SafetyBackupRule | None = None


COLUMNS = ("rule", "effect", "", "why")


def explain(
    rules: Sequence[Rule], ask: PolicyRequest, directory: Directory, *, safety_backup: bool = False
) -> Explanation:
    """`safety_backup` is the default of the settings for restores that no rule decides about."""
    decision = judge(rules, ask, directory)
    rows = tuple(_row(match_rule(rule, ask), ask, decision) for rule in rules)
    return Explanation(rows, decision, safety_backup_rule(rules, ask, safety_backup) if ask.verb == RESTORE else None)


def list_rights(rules: Sequence[Rule], actor: Actor, clusters: Sequence[str]) -> tuple[tuple[str, str, str, str], ...]:
    """Return rows (verb, cluster, effect, rule) of the rules for an actor, in order."""
    mine = [rule for rule in rules if rule.who.includes(actor)]
    return tuple(
        (", ".join(rule.what), ", ".join(named), _effect_of(rule, mine[:at], named), rule.name)
        for at, rule in enumerate(mine)
        if (named := [each for each in clusters if rule.is_on_cluster(each)])
    )


def _effect_of(rule: Rule, before: Sequence[Rule], clusters: Sequence[str]) -> str:
    """Describe what the rule gives. A rule that is never reached, or only requires approval, permits nothing."""
    for each in before:
        if rule.is_permissive and _always_denies(each, rule, clusters):
            return f"nothing: rule {each.name} denies it first"
    if rule.effect is Effect.APPROVE and adds_duty_only(rule):
        return f"approval required {_scope(rule)}; permits nothing on its own"
    return f"{rule.effect} {_scope(rule)}"


def _always_denies(denying: Rule, rule: Rule, clusters: Sequence[str]) -> bool:
    always = not denying.is_permissive and denying.where.is_unlimited and not denying.during and not denying.break_glass
    covers = all(any(matches_glob(each, what) for each in denying.what) for what in rule.what)
    return always and covers and all(denying.is_on_cluster(name) for name in clusters)


def _scope(rule: Rule) -> str:
    terms = rule.approvals
    agreed = (
        f", needs {counted(terms.quorum, 'approval')} from {', '.join(terms.approvers)}"
        if rule.effect is Effect.APPROVE
        else ""
    )
    reason = ", with a reason" if rule.is_permissive and rule.reason_required else ""
    hours = f", {'; '.join(window.describe() for window in rule.during)}" if rule.during else ""
    return f"{_where(rule)}{agreed}{reason}{hours}"


def _where(rule: Rule) -> str:
    where, place = rule.where, rule.where.namespaces
    limits = ["in " + ", ".join(_places(place))] if place is not None and not place.everything else []
    if where.kinds is not None and "*" not in where.kinds:
        limits.append("for " + ", ".join(sorted(where.kinds)))
    if where.locations is not None and "*" not in where.locations:
        limits.append("at locations " + ", ".join(where.locations))
    if where.cluster_scoped is not None:
        limits.append(f"{'with' if where.cluster_scoped else 'without'} cluster-scoped objects")
    if where.hooks is not None:
        limits.append(
            {Hooks.NONE: "without hooks", Hooks.ANNOTATED: "with annotated hooks"}.get(where.hooks, "with hooks")
        )
    if where.configmaps is not None:
        limits.append(f"{'with' if where.configmaps else 'without'} ConfigMaps in Velero's namespace")
    return " ".join(limits) or "everywhere"


def _places(place: NamespaceScope) -> tuple[str, ...]:
    labels = (f"label:{key}={value}" if value else f"label:{key}" for key, value in place.labels)
    return (*place.names, *labels)


def _row(found: Match, ask: PolicyRequest, decision: Decision) -> ExplainedRule:
    names = tuple(name for each in found.outside for name in each.names)
    decided = found.applies and found.rule.name == decision.rule
    return ExplainedRule(found.rule.name, found.rule.effect.value, found.applies, decided, _why(found, ask), names)


def _why(found: Match, ask: PolicyRequest) -> str:
    rule = found.rule
    outside = " and ".join(each.what for each in found.outside)
    match found.fit:
        case MatchResult.OTHER_VERB:
            return f"it applies to {', '.join(rule.what)}, not {ask.verb}"
        case MatchResult.OTHER_CLUSTER:
            return f"it applies to cluster {', '.join(rule.clusters)}, not {ask.cluster}"
        case MatchResult.OTHER_PEOPLE:
            return f"it applies to {_people(rule.who)}; {ask.actor.name or ask.actor.id} isn't one of them"
        case MatchResult.OTHER_TIME:
            return f"it applies only {'; '.join(window.describe() for window in rule.during)}"
        case MatchResult.CLEAR:
            return f"the command doesn't touch its {found.clear.replace('_', '-')}"
        case MatchResult.OUTSIDE:
            return f"the command also affects {outside}"
        case MatchResult.TOUCHED if rule.effect is Effect.APPROVE:
            beyond = (
                f"the command also affects {outside}"
                if outside
                else "this rule only adds an approval; it doesn't allow anything"
            )
            return f"it matches, so approval is required, but {beyond}"
        case _:
            return "it matches" if rule.effect is Effect.DENY else "everything the command affects is inside this rule"


def _people(who: Who) -> str:
    named = (*who.people, *sorted(who.pipelines))
    kinds = (("anyone", who.anyone), ("the terminal", who.terminal), ("timers", who.timer))
    return ", ".join((*named, *(word for word, included in kinds if included)))
