"""Help and the dry run of a command, both built from the registry; also `docs/commands.md`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

import yaml

from commands.grammar.command import Command
from commands.grammar.flags import Flag
from commands.grammar.nearest import nearest
from commands.grammar.verb import Effect, Verb
from commands.grammar.vocabulary import NOUNS, SHARED_FLAGS
from commands.registry import VERBS, verb_of
from domain.actor import Actor
from domain.answer import Answer, Attachment, Button, Code, Fields, Part, Text, Tone
from domain.counting import counted
from domain.decision import Decision, Outcome
from domain.plan import Level, Plan, Step, StepVerb
from policy.decide import may_ask
from policy.rules import Rule

TOPICS = {
    "durations": (
        "Durations: 90m, 36h, 720h0m0s, 30d, 2w, 6mo, 1y, '3 years'",
        "d = 24 hours, w = 7 days, mo = 30 days, y = 365.25 days. A number needs a unit.",
        ("backup create shop-1 --include-namespaces shop --ttl 30d", "backup get --since 24h"),
    ),
    "selectors": (
        "Label selectors",
        (
            "Same syntax as kubectl: app=web, env in (prod,staging), tier notin (cache), team, !team. A comma means AND. --or-selector combines selectors with ' or '. Put spaces and parentheses in quotes."
        ),
        ("backup get -l team=shop", "backup create web-1 -l 'app in (web,api)'"),
    ),
    "namespaces": (
        "Namespaces",
        (
            "Names separated by commas. Patterns: *, ? and [abc]. '*' alone means all. --namespaces production uses the preset from the settings and shows which namespaces it selects. Put patterns in quotes."
        ),
        ("backup create shop-1 --include-namespaces 'shop,shop-*'", "backup create prod-1 --namespaces production"),
    ),
    "writing": (
        "Command syntax",
        (
            "Same syntax as the velero CLI; a leading `velero` is optional. Boolean flags take '=': --wait=false. Smart quotes and long dashes from phones work. --dry-run shows the plan without changing anything."
        ),
        ("velero backup create shop-1 --include-namespaces shop --dry-run",),
    ),
}
"""Help topics besides the commands: headline, text, examples."""

MENU = (
    Button("Status", "status"),
    Button("Backups", "backup get"),
    Button("Schedules", "schedule get"),
    Button("Restores", "restore get"),
    Button("Help", "help"),
)


def answer(command: Command, rules: Sequence[Rule], actor: Actor) -> Answer:
    if not command.noun and not command.topic:
        return menu()
    topic = tuple(NOUNS.get(word, word) for word in command.topic) or (command.noun,)
    verb = verb_of(".".join(topic[:2])) or verb_of(topic[0] if topic else "")
    if verb is not None:
        return help_on_verb(verb)
    verbs = [each for each in VERBS if topic and each.noun == topic[0]]
    if verbs:
        return help_on_noun(topic[0], verbs, rules, actor)
    if topic and topic[0] in TOPICS:
        return help_on_topic(topic[0])
    if not topic or not topic[0] or topic[0] == "help":
        return list_commands(rules, actor)
    near = nearest(topic[0], sorted({*TOPICS, *(verb.noun for verb in VERBS)}), 3)
    return Answer(f"No help for `{topic[0]}`.", (Text(f"Did you mean {', '.join(near) or 'help'}?"),), Tone.WARNING)


def help_on_topic(name: str) -> Answer:
    headline, text, examples = TOPICS[name]
    return Answer(headline, (Text(text), Code("\n".join(examples))))


def menu() -> Answer:
    """Answer the bare command with buttons for the most common commands."""
    return Answer("What do you want to do?", (Text("Try `/velero backup create`, or pick one:"),), buttons=MENU)


def list_commands(rules: Sequence[Rule], actor: Actor) -> Answer:
    parts: list[Part] = []
    denied = _denied_verbs(tuple(rules), actor)
    for noun in dict.fromkeys(verb.noun for verb in VERBS if verb.effect is not Effect.UNSUPPORTED):
        lines = [_line(verb, denied) for verb in VERBS if verb.noun == noun]
        parts.append(Code("\n".join(lines)))
    parts.append(Text("`help backup create` or `backup create ?` shows the flags. --dry-run changes nothing."))
    parts.append(Text(f"Topics: {', '.join(f'`help {topic}`' for topic in TOPICS)}."))
    return Answer("Commands", tuple(parts))


def help_on_noun(noun: str, verbs: Sequence[Verb], rules: Sequence[Rule], actor: Actor) -> Answer:
    denied = _denied_verbs(tuple(rules), actor)
    lines = [_line(verb, denied) for verb in verbs]
    return Answer(noun, (Code("\n".join(lines)), Text(f"`help {noun} {verbs[0].name}` shows its flags.")))


@lru_cache(maxsize=256)
def _denied_verbs(rules: tuple[Rule, ...], actor: Actor) -> frozenset[str]:
    """Return the keys of the verbs that no rule permits to the actor on any cluster; kept for the most recent people."""
    if not rules:
        return frozenset()
    decisions = {verb.key: may_ask(rules, actor, verb.key, "", writes=verb.effect is Effect.WRITE) for verb in VERBS}
    return frozenset(key for key, decision in decisions.items() if decision.outcome is Outcome.DENY)


def _line(verb: Verb, denied: frozenset[str]) -> str:
    lock = "  (no permission)" if verb.key in denied else ""
    lock = "  (not in Slack)" if verb.effect is Effect.UNSUPPORTED else lock
    return f"{f'{verb.noun} {verb.name} {verb.args.usage}'.strip():<42} {verb.summary}{lock}"


def help_on_verb(verb: Verb) -> Answer:
    parts: list[Part] = [Code(verb.usage)]
    for group, flags in _grouped(verb):
        parts.append(Code(_flags(group, flags)))
    if verb.examples:
        parts.append(Code("\n".join(verb.examples)))
    if verb.instead:
        parts.append(Text(verb.instead))
    return Answer(verb.summary, tuple(parts))


def _grouped(verb: Verb) -> list[tuple[str, list[Flag]]]:
    groups: dict[str, list[Flag]] = {}
    for flag in (*verb.flags, *SHARED_FLAGS):
        if not flag.hidden:
            groups.setdefault(flag.group, []).append(flag)
    return list(groups.items())


def _flags(group: str, flags: Sequence[Flag]) -> str:
    return "\n".join([f"{group}:", *(f"  {_flag_name(flag):<46} {flag.help}" for flag in flags)])


def _flag_name(flag: Flag) -> str:
    short = f", -{flag.short}" if flag.short else ""
    value = "" if flag.type.bare is not None else f" <{flag.type.name}>"
    return f"--{flag.name}{short}{value}"


_LEVEL_LABELS = {Level.REFUSE: "Not allowed", Level.APPROVE: "Needs approval", Level.WARN: "Note"}
_STEP_VERBS = {StepVerb.CREATE: "Creates", StepVerb.PATCH: "Changes", StepVerb.DELETE: "Deletes"}
_STEP_OBJECTS = {
    "Backup": "backup",
    "Restore": "restore",
    "Schedule": "schedule",
    "BackupStorageLocation": "storage location",
    "VolumeSnapshotLocation": "snapshot location",
    "DeleteBackupRequest": "deletion request",
}


def dry_run(plan: Plan, decision: Decision, output: str) -> Answer:
    """Show what a command would change: steps, checks, permission and the equivalent velero command."""
    parts: list[Part] = []
    if output in {"json", "yaml"}:
        manifests = [step.manifest for step in plan.steps]
        shown = manifests[0] if len(manifests) == 1 else manifests
        text = json.dumps(shown, indent=2) if output == "json" else yaml.safe_dump(shown, sort_keys=False)
        parts.append(Code(text, language=output))
    else:
        parts += [Text(_step_sentence(step)) for step in plan.steps]
        if not plan.steps:
            parts.append(Text(plan.summary or "Nothing would change."))
    parts += [Text(f"{_LEVEL_LABELS[guard.level]}: {guard.text}") for guard in plan.guards]
    parts += [Text(note) for note in plan.notes]
    parts.append(Text(f"Permission: {_decision_sentence(decision)}"))
    parts.append(Fields((("Plan", plan.fingerprint[:12]),)))
    if plan.cli:
        parts.append(Code(plan.cli))
    if plan.report:
        parts.append(Attachment(f"{plan.subject}-preview.txt", plan.report, "All changes"))
    refused = bool(plan.refusals()) or decision.outcome is Outcome.DENY
    line = f"{plan.noun} {plan.verb} {plan.subject}".strip()
    outcome = f"`{line}` would be refused" if refused else line
    return Answer(
        f"Dry run: {outcome}. Nothing was changed.",
        tuple(parts),
        Tone.WARNING if refused else Tone.PLAIN,
        tuple(Button(word, line) for word, line in plan.offers.items()),
        cluster=plan.cluster,
        namespaces=plan.reach.namespaces,
    )


def _step_sentence(step: Step) -> str:
    noun = _STEP_OBJECTS.get(step.kind, step.kind)
    return f"{_STEP_VERBS[step.verb]} {noun} `{step.name}`." if step.name else f"{_STEP_VERBS[step.verb]} a {noun}."


def _decision_sentence(decision: Decision) -> str:
    match decision.outcome:
        case Outcome.ALLOW:
            return decision.text or (f"Allowed by rule `{decision.rule}`." if decision.rule else "Allowed.")
        case Outcome.DENY:
            return f"Refused. {decision.text}".strip()
        case Outcome.REQUIRE_APPROVAL:
            return f"Needs {counted(decision.quorum, 'approval')}. {decision.text}".strip()


def markdown() -> str:
    """Return `docs/commands.md`."""
    lines = [
        "# Commands",
        "",
        "Generated from the command registry by `make docs`. Shared flags, listed at the end, work with every command.",
        "Flags marked *bot only* don't exist in the velero CLI.",
        "",
    ]
    for noun in dict.fromkeys(verb.noun for verb in VERBS):
        lines += [f"## {noun}", ""]
        for verb in (each for each in VERBS if each.noun == noun):
            lines += _markdown(verb)
    lines += ["## Shared flags", "", *_table([flag for flag in SHARED_FLAGS if not flag.hidden])]
    return "\n".join(lines) + "\n"


def _markdown(verb: Verb) -> list[str]:
    lines = [f"### {verb.noun} {verb.name}".rstrip(), "", f"{verb.summary}.", "", f"    {verb.usage}", ""]
    if verb.instead:
        lines += [verb.instead, ""]
    flags = [flag for flag in verb.flags if not flag.hidden]
    if flags:
        lines += _table(flags)
    if verb.examples:
        lines += ["Examples:", "", *(f"    {example}" for example in verb.examples), ""]
    return lines


def _table(flags: Sequence[Flag]) -> list[str]:
    rows = [f"| `{_flag_name(flag)}` | {flag.help}{' (bot only)' if flag.ours else ''} |" for flag in flags]
    return ["| flag | description |", "|---|---|", *rows, ""]
