"""Verbs of the velero CLI that the bot doesn't run: why, and what to do instead."""

from __future__ import annotations

from commands.grammar.verb import Args, Effect, Verb


def _elsewhere(noun: str, name: str, why: str, instead: str) -> Verb:
    return Verb(noun, name, why, Effect.UNSUPPORTED, Args("ARGS", 0, 50), instead=instead)


ELSEWHERE: tuple[Verb, ...] = (
    _elsewhere(
        "backup",
        "download",
        "The archive contains every Secret of the namespaces in plain text",
        "Run `velero backup download` on your machine. `backup describe --find kind/name` shows what a backup contains.",
    ),
    _elsewhere(
        "install",
        "",
        "Installing Velero needs permissions the bot doesn't have",
        "Use `velero install` or the Helm chart.",
    ),
    _elsewhere(
        "uninstall", "", "Uninstalling Velero needs permissions the bot doesn't have", "Use `velero uninstall`."
    ),
    _elsewhere(
        "debug",
        "",
        "A support bundle contains logs and objects of the whole Velero namespace",
        "Run `velero debug --backup NAME` on your machine. `backup logs` and `backup describe` show most of it here.",
    ),
    _elsewhere("client", "config", "This changes a file on your machine", "Run the velero CLI on your machine."),
    _elsewhere(
        "completion",
        "",
        "Shell completion isn't available in Slack",
        "`help` lists all commands; add `?` to a command to see its flags.",
    ),
    _elsewhere(
        "plugin",
        "add",
        "This changes and restarts the Velero deployment",
        "Add the plugin to your Helm values, or run `velero plugin add IMAGE`.",
    ),
    _elsewhere(
        "plugin",
        "remove",
        "This changes and restarts the Velero deployment",
        "Remove the plugin from your Helm values, or run `velero plugin remove IMAGE`.",
    ),
)
