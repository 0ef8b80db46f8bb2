"""Reads a request's line: the command, its verb, and the clusters that it is about. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from commands.grammar.command import Command
from commands.grammar.parser import parse
from commands.grammar.thread_defaults import noun_from_thread
from commands.grammar.verb import Effect, Verb
from commands.registry import verb_of
from domain.errors import NotFound, Refused, UsageError
from operations.request import CommandRequest


def parse_request(request: CommandRequest) -> Command:
    lead = request.lead or noun_from_thread(request.line, request.subject)
    return parse(request.line, lead=lead, subject=request.subject)


def supported_verb(command: Command) -> Verb:
    verb = verb_of(command.key)
    if verb is None:
        raise UsageError(f"Unknown command `{typed_words(command.key)}`.")
    if verb.effect is Effect.UNSUPPORTED:
        usage = verb.usage.removesuffix(" [flags]")
        raise Refused(f"`{usage}` isn't available in Slack.", why=verb.summary, fix=verb.instead)
    return verb


def typed_words(key: str) -> str:
    """Return a verb's key as people type it."""
    return key.replace(".", " ")


def target_clusters(command: Command, request: CommandRequest, verb: Verb, clusters: Sequence[str]) -> Sequence[str]:
    """Return the clusters that a read command is about. Raises UserError."""
    if clusters and (command.is_true("all-clusters") or (verb.fans_out and not command.cluster)):
        return clusters
    return [target_cluster(command, request, clusters)]


def target_cluster(command: Command, request: CommandRequest, clusters: Sequence[str]) -> str:
    """Return the cluster that the command names, or the channel's default. Raises UserError."""
    if not clusters:
        raise Refused("No clusters are configured.", fix="Add [[clusters]] to the settings.")
    name = command.text("to-cluster") or command.cluster or request.channel_cluster
    if name in clusters:
        return name
    if not name:
        raise UsageError(
            "Which cluster?",
            why="This channel isn't linked to a cluster.",
            nearest=tuple(clusters),
            fix=f"Add --cluster {clusters[0]}.",
        )
    nearest = tuple(get_close_matches(name, clusters, n=3)) or tuple(clusters)
    raise NotFound(f"Cluster `{name}` doesn't exist.", nearest=nearest)
