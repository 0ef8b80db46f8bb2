"""Verbs of the velero CLI that chat does not run: why, and what to do instead."""

from __future__ import annotations

from commands.grammar.verb import Args, Effect, Verb


def _elsewhere(noun: str, name: str, why: str, instead: str) -> Verb:
    return Verb(noun, name, why, Effect.UNSUPPORTED, Args("ARGS", 0, 50), instead=instead)


ELSEWHERE: tuple[Verb, ...] = (
    _elsewhere(
        "backup",
        "download",
        "The archive holds every Secret of the namespaces in clear",
        "Run `velero backup download` where you may hold them; `backup describe --find kind/name` lists what is in it.",
    ),
    _elsewhere(
        "install",
        "",
        "Installing Velero needs rights that this bot must not have",
        "Use `velero install` or the Helm chart.",
    ),
    _elsewhere("uninstall", "", "Removing Velero needs rights that this bot must not have", "Use `velero uninstall`."),
    _elsewhere(
        "debug",
        "",
        "A support bundle holds logs and objects of the whole namespace",
        "Run `velero debug --backup NAME`; `backup logs` and `backup describe` tell most of it here.",
    ),
    _elsewhere("client", "config", "It changes a file on your own machine", "Run it there."),
    _elsewhere(
        "completion", "", "There is no shell here to complete for", "`help` lists the verbs; `… ?` a verb's flags."
    ),
    _elsewhere(
        "plugin",
        "add",
        "It changes Velero's Deployment and restarts it",
        "Set the plugin in your Helm values or run `velero plugin add IMAGE`.",
    ),
    _elsewhere(
        "plugin",
        "remove",
        "It changes Velero's Deployment and restarts it",
        "Set the plugin in your Helm values or run `velero plugin remove IMAGE`.",
    ),
)
