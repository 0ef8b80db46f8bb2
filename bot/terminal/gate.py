"""`velero-chatops gate`: the deploy gate for a pipeline step. Exit codes: 0 pass, 1 fail, 2 usage, 3 unreachable.

Needs no settings file: URL, secret and token come from options or the environment.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urljoin

import click

from bot.clock import utc_now
from domain.duration import BadDuration, parse_positive
from domain.json_types import Json
from notifier.deliver.signature import headers, key_of
from velero.documents import MESSAGE_BOUNDS, BadDocument, read_json

EXIT_PASS, EXIT_FAIL, EXIT_USAGE, EXIT_UNREACHABLE = 0, 1, 2, 3
MAX_REQUEST_ATTEMPTS = 4
MAX_POLL_ATTEMPTS = 9
"""Enough to wait for an accepted operation across a restart of the bot."""
RETRIED_STATUSES = frozenset({408, 429})
LONG_POLL_S = 30
MAX_RETRY_DELAY_S = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Json
    retry_after: float


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """Don't follow: a signature is valid for one URL only."""


@click.command("gate")
@click.option("--url", envvar="VELERO_CHATOPS_URL", required=True, help="URL of the bot.")
@click.option(
    "--secret",
    envvar="VELERO_CHATOPS_SECRET",
    help="Signing secret (whsec_…). Prefer the environment variable or --secret-file.",
)
@click.option(
    "--secret-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with the signing secret.",
)
@click.option(
    "--token", envvar="VELERO_CHATOPS_TOKEN", help="Token to poll the operation. Required with --take-if-older."
)
@click.option("--token-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File with the token.")
@click.option("--cluster", default="", help="Cluster to check. Default: the cluster of the sender's channel.")
@click.option("--namespace", "namespaces", multiple=True, help="Namespace to check. Repeat, or separate with commas.")
@click.option("--app", default="", help="Application from the bot's settings, instead of namespaces.")
@click.option("--max-age", required=True, help="Maximum age of the backup, for example 24h or 7d.")
@click.option("--take-if-older", is_flag=True, help="Create a backup if none is recent enough, and wait for it.")
@click.option("--timeout", default="1h", help="Maximum time to wait, including approval.")
@click.option("--require-volumes", is_flag=True, help="Pass only if the backup contains the data of every volume.")
@click.option("--ttl", default="", help="Retention of a backup created by the gate, for example 7d.")
@click.option("--reason", default="", help="Reason, shown in the audit log.")
@click.option("--callback", default="", help="URL that receives the verdict.")
@click.option("--link", default="", help="URL of this pipeline run, linked in the status message.")
@click.option(
    "--id", "request_id", default="", help="Request id. Repeating an id returns the same operation. Default: random."
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Output format.")
def COMMAND(  # noqa: N802
    url: str,
    secret: str | None,
    secret_file: Path | None,
    token: str | None,
    token_file: Path | None,
    namespaces: tuple[str, ...],
    timeout: str,
    request_id: str,
    output: str,
    **fields: Any,
) -> None:
    """Pass only if every namespace has a recent Completed backup."""
    key = _read_secret(secret, secret_file, "secret")
    if not key_of(key):
        raise click.UsageError("The secret must be whsec_ followed by the base64 of 16 to 64 bytes.")
    try:
        seconds = parse_positive(timeout) / 1e9
    except BadDuration as error:
        raise click.UsageError(str(error)) from None
    poll_token = _read_secret(token, token_file, "token") if fields["take_if_older"] else ""
    names = [name.strip() for each in namespaces for name in each.split(",") if name.strip()]
    body = {name: value for name, value in {**fields, "namespaces": names, "timeout": timeout}.items() if value}
    status = _send_request(url, key, body, request_id or str(uuid.uuid4()))
    if status["gate"]["passed"] is None:
        status = _poll(url, status, poll_token, seconds)
    _finish(status, output)


def _read_secret(value: str | None, file: Path | None, what: str) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    if not value:
        raise click.UsageError(f"The {what} is missing. Use --{what}-file, or set VELERO_CHATOPS_{what.upper()}.")
    return value.strip()


def _send_request(url: str, secret: str, body: Mapping[str, Any], request_id: str) -> Json:
    """Send the request. Retries use the same id, so that nothing happens twice."""
    data = json.dumps(body).encode()

    def signed() -> urllib.request.Request:
        signed_headers = {"Content-Type": "application/json", **headers([secret], request_id, utc_now(), data)}
        return urllib.request.Request(urljoin(url.rstrip("/") + "/", "hooks/v1/gate"), data, signed_headers)  # noqa: S310

    return _call_with_retries(signed)


def _poll(url: str, status: Json, token: str, seconds: float) -> Json:
    """Poll until the operation is done, a little longer than the timeout: the bot itself ends it in time."""
    where = urljoin(url.rstrip("/") + "/", str(status["status_url"]).lstrip("/"))
    until = time.monotonic() + seconds + LONG_POLL_S
    last_state = ""
    while time.monotonic() < until:
        request = urllib.request.Request(f"{where}?wait={LONG_POLL_S}", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
        status = _call_with_retries(lambda request=request: request, MAX_POLL_ATTEMPTS)
        if status["done"]:
            return status
        if status["state"] != last_state:
            last_state = str(status["state"])
            print(f"{status['operation']}: {last_state}", file=sys.stderr)
    raise _exit(EXIT_UNREACHABLE, "The result didn't arrive in time. The operation may still be running.")


def _call_with_retries(make: Any, attempts: int = MAX_REQUEST_ATTEMPTS) -> Json:
    for attempt in range(attempts):
        reply = _call(make())
        if reply is not None and reply.status < 500 and reply.status not in RETRIED_STATUSES:
            return _body_of(reply)
        if attempt == attempts - 1:
            break
        time.sleep(min(MAX_RETRY_DELAY_S, (reply.retry_after if reply else 0.0) or 0.5 * 2**attempt))
    if reply is not None and reply.body:
        raise _exit(EXIT_UNREACHABLE, _problem_text(reply.body))
    raise _exit(
        EXIT_UNREACHABLE, "The bot can't be reached." if reply is None else f"The bot returned HTTP {reply.status}."
    )


def _call(request: urllib.request.Request) -> Reply | None:
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=LONG_POLL_S + 30) as answer:
            return Reply(answer.status, _json(answer.read()), 0.0)
    except urllib.error.HTTPError as error:
        with error:
            after = error.headers.get("Retry-After", "")
            return Reply(error.code, _json(error.read()), float(after) if after.isdigit() else 0.0)
    except (OSError, ValueError):
        return None


def _json(body: bytes) -> Json:
    try:
        found = read_json(body or b"{}", MESSAGE_BOUNDS)
    except BadDocument:
        return {}
    return found if isinstance(found, dict) else {}


def _body_of(reply: Reply) -> Json:
    if reply.status in {200, 202} and reply.body:
        return reply.body
    if reply.status == 401:
        raise _exit(
            EXIT_UNREACHABLE,
            "The bot rejects the secret or token, or this machine's clock differs by more than five minutes.",
        )
    if reply.status == 403:
        raise _exit(EXIT_FAIL, _problem_text(reply.body))
    if reply.status in {409, 413, 415, 422}:
        raise _exit(EXIT_USAGE, _problem_text(reply.body))
    raise _exit(EXIT_UNREACHABLE, f"The bot returned HTTP {reply.status}.")


def _problem_text(problem: Json) -> str:
    near = problem.get("nearest") or []
    parts = [problem.get("title"), problem.get("detail"), *(problem.get("faults") or []), problem.get("fix")]
    return " ".join([str(part) for part in parts if part] + ([f"Did you mean {', '.join(near)}?"] if near else []))


def _finish(status: Json, output: str) -> NoReturn:
    gate = status["gate"]
    if output == "json":
        print(json.dumps(status, indent=2))
    else:
        print(f"{'PASS' if gate['passed'] else 'FAIL'} {gate['text']}")
    raise SystemExit(EXIT_PASS if gate["passed"] else EXIT_FAIL)


def _exit(code: int, text: str) -> SystemExit:
    print(text, file=sys.stderr)
    return SystemExit(code)
