"""`velero-chatops policy explain|test`: shows and tests what the rules decide, without Slack or a cluster."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from bot.clock import utc_now
from bot.configuration.settings_file import SYNONYMS, Found, locate_errors, read, sort_errors
from commands.batch import facts_from_objects, plan_command
from commands.grammar.parser import parse
from commands.grammar.verb import Effect
from commands.planning.context import ClusterView, PlanContext
from commands.planning.facts import Facts
from commands.planning.resolve import resolve
from commands.registry import VERBS, verb_of
from domain.actor import Actor, ActorKind
from domain.counting import counted
from domain.decision import Decision
from domain.errors import ConfigError, UserError
from domain.plan import Plan
from policy.cases import CaseErrors, parse_cases, run_cases
from policy.decide import may_ask
from policy.directory import ASSUMED
from policy.explain import COLUMNS, explain
from policy.matching import PolicyRequest
from policy.parse import RuleErrors, Vocabulary, parse_rules
from policy.rules import Rule
from velero.documents import ARTIFACT_BOUNDS, read_json

Labels = Mapping[str, Mapping[str, str]]


@click.group("policy")
def COMMAND() -> None:  # noqa: N802
    """Test the rules in a settings file."""


@COMMAND.command("explain")
@click.argument("line")
@click.option("--as", "user", required=True, help="User ID, group name or email of the person who runs the command.")
@click.option("--group", "groups", multiple=True, help="Group of that person; can be repeated.")
@click.option("--email", default="", help="Email of that person.")
@click.option("--cluster", default="", help="Cluster. Default: --cluster in LINE, or the only cluster.")
@click.option("--config", "path", type=click.Path(path_type=Path), required=True)
@click.option(
    "--fixtures", "fixture_file", type=click.Path(path_type=Path), help="File with a JSON list of Kubernetes objects."
)
def explain_line(
    line: str, user: str, groups: tuple[str, ...], email: str, cluster: str, path: Path, fixture_file: Path | None
) -> None:
    """Show which rule decides about a command, and why the others don't. Exit code 1 if the command is refused."""
    source = _read_rules(path)
    name = user.removeprefix("@")
    groups_of_user = {
        group for group, members in source.groups.items() if name in members or (email and email in members)
    }
    actor = Actor(ActorKind.PERSON, name, name, email=email, groups=frozenset({*groups, *groups_of_user}))
    facts = _read_facts(fixture_file)
    try:
        only = source.clusters[0] if len(source.clusters) == 1 else ""
        plan, target = _plan_line(line, cluster or only, facts, actor, source.powerful_kinds)
    except UserError as error:
        raise click.ClickException(" ".join(part for part in (error.text, error.why, error.fix) if part)) from None
    decision = _explain(line, plan, target, source, actor, facts)
    if decision.outcome.value == "deny":
        raise SystemExit(1)


def _explain(line: str, plan: Plan | None, cluster: str, source: RuleSource, actor: Actor, facts: Facts) -> Decision:
    if plan is None:
        command = parse(line)
        decision = may_ask(source.rules, actor, command.key, cluster, writes=False)
        print(f"{command.key} only reads: {decision.outcome.value}. {decision.text}".rstrip())
        return decision
    labels = {item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in facts.all("namespaces")}
    ask = PolicyRequest.of(actor, plan, utc_now(), labels=labels, reason="explained")
    found = explain(source.rules, ask, ASSUMED, safety_backup=source.safety_backup)
    rows = [COLUMNS, *(row.cells for row in found.rows)]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip())
    for guard in plan.guards:
        print(f"{guard.level.value}: {guard.text} ({guard.code})")
    if found.net is not None:
        asked = parse(line).optional_bool("safety-backup")
        wanted, by = (found.net.wanted, found.net.by) if asked is None else (asked, "the command")
        print(f"safety backup: {'yes' if wanted else 'no'} (set by {by})")
    decision = found.decision
    people = f" {decision.quorum} of {', '.join(sorted(decision.approvers))}" if decision.approvers else ""
    print(f"{decision.outcome.value}{people}: {decision.text}".rstrip(": "))
    return decision


@COMMAND.command("test")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--config", "path", type=click.Path(path_type=Path), help="Settings file with the rules. Default: FILE.")
@click.option(
    "--fixtures", "fixture_file", type=click.Path(path_type=Path), help="File with a JSON list of Kubernetes objects."
)
def run_table(file: Path, path: Path | None, fixture_file: Path | None) -> None:
    """Run test cases against the rules. Exit code 1 if a case fails."""
    text, data = _read_toml(file)
    source = _read_rules(path) if path else RuleSource(_parse_rules(text, data, file))
    cases = parse_cases(data.get("cases") or [])
    if isinstance(cases, CaseErrors):
        raise _rule_errors(file, text, locate_errors("cases", cases.faults))
    facts = _read_facts(fixture_file)

    def planner(line: str, cluster: str) -> Plan | None:
        return _plan_line(line, cluster, facts, _terminal_actor(), source.powerful_kinds)[0]

    results = run_cases(source.rules, cases, planner)
    for result in results:
        print(
            f"{'ok  ' if result.passed else 'FAIL'}  {result.case.name}" + (f": {result.text}" if result.text else "")
        )
    failed = sum(not result.passed for result in results)
    print(f"{counted(len(results), 'case')}, {failed} failed")
    if failed or not results:
        raise SystemExit(1)


def _terminal_actor() -> Actor:
    return Actor(ActorKind.TERMINAL, "terminal", "terminal")


def _plan_line(
    line: str, cluster: str, facts: Facts, actor: Actor, powerful_kinds: tuple[str, ...]
) -> tuple[Plan | None, str]:
    """Return (plan, cluster); no plan for a command that only reads."""
    command = parse(line)
    name = command.text("to-cluster") or command.cluster or cluster
    context = PlanContext(
        now=utc_now(),
        new_id=lambda: "",
        cluster=ClusterView(name),
        actor=actor,
        reason="explained",
        powerful_kinds=powerful_kinds,
    )
    verb = verb_of(command.key)
    if verb is None or verb.effect is not Effect.WRITE:
        return None, name
    plan = plan_command(command, facts, context)
    return (resolve(plan, facts, context, verb.prepare) if plan is not None else None), name


@dataclass(frozen=True, slots=True)
class RuleSource:
    """Rules, and what else a settings file says that decides about a command. A file of rules alone says less."""

    rules: tuple[Rule, ...]
    clusters: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    safety_backup: bool = False
    powerful_kinds: tuple[str, ...] = ()


def _read_rules(path: Path) -> RuleSource:
    text, data = _read_toml(path)
    if set(data) <= {"rules", "groups"}:
        return RuleSource(_parse_rules(text, data, path), groups=data.get("groups") or {})
    try:
        settings, rules = read(path)
    except ConfigError as error:
        for text in error.faults:
            click.echo(text, err=True)
        raise click.ClickException(error.text) from None
    return RuleSource(
        rules,
        tuple(each.name for each in settings.clusters),
        settings.groups,
        settings.approvals.safety_backup,
        settings.approvals.powerful_kinds,
    )


def _parse_rules(text: str, data: Mapping[str, Any], path: Path) -> tuple[Rule, ...]:
    rules = parse_rules(data.get("rules") or [], Vocabulary(tuple(verb.key for verb in VERBS), synonyms=SYNONYMS))
    if isinstance(rules, RuleErrors):
        raise _rule_errors(path, text, locate_errors("rules", rules.faults))
    return rules


def _rule_errors(path: Path, text: str, found: Sequence[Found]) -> click.ClickException:
    for line in sort_errors(str(path), text, found):
        click.echo(line, err=True)
    return click.ClickException(f"{path} has {counted(len(found), 'error')}.")


def _read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.ClickException(f"{path} can't be read: {error}") from None


def _read_facts(path: Path | None) -> Facts:
    if path is None:
        return Facts()
    try:
        loaded = read_json(path.read_bytes(), ARTIFACT_BOUNDS)
        return facts_from_objects(loaded if isinstance(loaded, list) else [loaded])
    except (OSError, ValueError, UserError) as error:
        raise click.ClickException(f"Fixtures file {path} can't be read: {error}") from None
