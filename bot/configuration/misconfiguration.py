"""Finds valid settings that can't work: a missing secret, an unreadable file, a route that matches no cluster.

The parser refuses values that are never valid. These checks depend on files, the environment and other settings;
they contact neither Slack nor a cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bot.configuration.connections import Cluster
from bot.configuration.setting_values import ENVIRONMENT_PREFIX
from bot.configuration.settings import Route, Sender, Settings
from bot.webhooks.receivers import receivers
from domain.problem import Problem
from domain.wildcards import matches_wildcard
from notifier.deliver.signature import key_of

SECRET_FORMAT = "whsec_ and base64 of 16 to 64 bytes"


def find_misconfiguration(settings: Settings) -> tuple[Problem, ...]:
    found: list[Problem] = [*_slack(settings), *_audit(settings)]
    for cluster in settings.clusters:
        found += _cluster(cluster)
    for route in settings.routes:
        found += _route(route, settings)
    for sender in settings.senders:
        found += _sender(sender)
    return tuple(found)


def _slack(settings: Settings) -> Iterator[Problem]:
    slack = settings.slack
    needed: list[tuple[str, Callable[[], object], str]] = [("bot token", slack.bot_token, "bot_token")]
    if slack.transport == "http":
        needed.append(("signing secret", slack.signing_secrets, "signing_secret"))
    else:
        needed.append(("app token", slack.app_token, "app_token"))
    for label, read, name in needed:
        fault = _secret_fault(read)
        if fault:
            fix = f"set {ENVIRONMENT_PREFIX}SLACK_{name.upper()}, or slack.{name}_file to a readable file"
            yield Problem("slack", f"the {label} {fault}", fix, blocks=True)


def _audit(settings: Settings) -> Iterator[Problem]:
    yield from _files("audit", "key_file", settings.audit.key_file)


def _cluster(cluster: Cluster) -> Iterator[Problem]:
    part = f"cluster {cluster.name}"
    files = (("token_file", cluster.token_file), ("ca_file", cluster.ca_file), ("kubeconfig", cluster.kubeconfig))
    for name, path in files:
        for problem in _files(part, name, path):
            yield Problem(problem.part, problem.text, problem.fix, cluster=cluster.name)
    if cluster.url and cluster.token_file is None:
        fix = "set token_file: the API server needs a token"
        yield Problem(part, "url is set without token_file", fix, cluster=cluster.name)


def _route(route: Route, settings: Settings) -> Iterator[Problem]:
    part = f"route {route.name or ', '.join(route.channels)}"
    receiver = receivers(settings).get((route.kind, route.name)) if route.kind != "slack" else None
    if receiver is not None and receiver.fault:
        variable = f"{ENVIRONMENT_PREFIX}WEBHOOK_SECRET_{route.name.upper().replace('-', '_')}"
        yield Problem(part, f"nothing is sent: {receiver.fault}", f"set {variable} or secret_file to {SECRET_FORMAT}")
    names = [cluster.name for cluster in settings.clusters]
    if names and not any(matches_wildcard(glob, name) for glob in route.match.clusters for name in names):
        text = f"match.clusters {', '.join(route.match.clusters)} matches no cluster, so the route sends nothing"
        yield Problem(part, text, f"use one of: {', '.join(names)}")


def _sender(sender: Sender) -> Iterator[Problem]:
    part, name = f"sender {sender.name}", sender.name.upper().replace("-", "_").replace(".", "_")
    fault = _secret_fault(lambda: [each for each in sender.secrets() if key_of(each)], f"isn't {SECRET_FORMAT}")
    if fault:
        fix = f"set {ENVIRONMENT_PREFIX}SENDER_SECRET_{name} or secret_file to {SECRET_FORMAT}"
        yield Problem(part, f"the bot refuses its requests: the secret {fault}", fix)
    if sender.token_file is not None and (fault := _secret_fault(sender.token)):
        yield Problem(part, f"it can't read operations: the token {fault}", "make token_file readable and not empty")


def _files(part: str, name: str, path: Path | None) -> Iterable[Problem]:
    """Check that a configured file can be read and isn't empty."""
    if path is None:
        return
    if fault := _secret_fault(lambda: path.read_text(encoding="utf-8").strip()):
        yield Problem(part, f"{name} {path} {fault}", f"make {name} readable for the bot and not empty")


def _secret_fault(read: Callable[[], object], empty: str = "isn't set or is empty") -> str:
    try:
        return "" if read() else empty
    except OSError as error:
        return f"can't be read: {error.strerror}"
    except UnicodeDecodeError:
        return "isn't UTF-8 text"
