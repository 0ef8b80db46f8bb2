"""`velero-chatops gate`: the deploy gate from a shell step. 0 pass, 1 fail, 2 usage, 3 not reachable.

Needs no settings: the address, the sender's secret and its token come from options or the environment.
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

PASS, FAIL, USAGE, UNREACHABLE = 0, 1, 2, 3
TRIES, TRIES_WAITING = 4, 9
"""What was taken is waited for over a restart of the bot."""
AGAIN = frozenset({408, 429})
LONG_POLL = 30
LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Json
    retry_after: float


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """A signature is for one address."""


@click.command("gate")
@click.option("--url", envvar="VELERO_CHATOPS_URL", required=True, help="URL of the bot.")
@click.option(
    "--secret",
    envvar="VELERO_CHATOPS_SECRET",
    help="Signing secret (whsec_…). Prefer the environment variable or --secret-file.",
)
@click.option("--secret-file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--token", envvar="VELERO_CHATOPS_TOKEN", help="Token to poll the operation. Required with --take-if-older."
)
@click.option("--token-file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--cluster", default="")
@click.option("--namespace", "namespaces", multiple=True, help="Namespace to check. Repeat, or separate with commas.")
@click.option("--app", default="", help="Application from the bot's settings, instead of namespaces.")
@click.option("--max-age", required=True, help="Maximum age of the backup, for example 24h or 7d.")
@click.option("--take-if-older", is_flag=True, help="Create a backup if none is recent enough, and wait for it.")
@click.option("--timeout", default="1h", help="Maximum time to wait, including approval.")
@click.option("--require-volumes", is_flag=True, help="Pass only if the backup contains the data of every volume.")
@click.option("--ttl", default="", help="Retention of a backup created by the gate, for example 7d.")
@click.option("--reason", default="")
@click.option("--callback", default="", help="URL that receives the verdict.")
@click.option("--link", default="", help="URL of this pipeline run, linked in the status message.")
@click.option(
    "--id", "ident", default="", help="Request id. Repeating an id returns the same operation. Default: random."
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def COMMAND(  # noqa: N802
    url: str,
    secret: str | None,
    secret_file: Path | None,
    token: str | None,
    token_file: Path | None,
    namespaces: tuple[str, ...],
    timeout: str,
    ident: str,
    output: str,
    **asked: Any,
) -> None:
    """Pass only if every namespace is in a good backup that is young enough."""
    key = _given(secret, secret_file, "secret")
    if not key_of(key):
        raise click.UsageError("The secret must be whsec_ followed by the base64 of 16 to 64 bytes.")
    try:
        seconds = parse_positive(timeout) / 1e9
    except BadDuration as error:
        raise click.UsageError(str(error)) from None
    opens = _given(token, token_file, "token") if asked["take_if_older"] else ""
    names = [name.strip() for each in namespaces for name in each.split(",") if name.strip()]
    body = {name: value for name, value in {**asked, "namespaces": names, "timeout": timeout}.items() if value}
    told = _gated(url, key, body, ident or str(uuid.uuid4()))
    if told["gate"]["passed"] is None:
        told = _awaited(url, told, opens, seconds)
    _finish(told, output)


def _given(value: str | None, file: Path | None, what: str) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    if not value:
        raise click.UsageError(f"The {what} is missing. Use --{what}-file, or set VELERO_CHATOPS_{what.upper()}.")
    return value.strip()


def _gated(url: str, secret: str, body: Mapping[str, Any], ident: str) -> Json:
    """Tried again under the same id, so that nothing happens twice."""
    data = json.dumps(body).encode()

    def signed() -> urllib.request.Request:
        made = {"Content-Type": "application/json", **headers([secret], ident, utc_now(), data)}
        return urllib.request.Request(urljoin(url.rstrip("/") + "/", "hooks/v1/gate"), data, made)  # noqa: S310

    return _patiently(signed)


def _awaited(url: str, told: Json, token: str, seconds: float) -> Json:
    """Until it is done; a little longer than asked, since the bot itself says when time is up."""
    where = urljoin(url.rstrip("/") + "/", str(told["status_url"]).lstrip("/"))
    until = time.monotonic() + seconds + LONG_POLL
    said = ""
    while time.monotonic() < until:
        request = urllib.request.Request(f"{where}?wait={LONG_POLL}", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
        told = _patiently(lambda made=request: made, TRIES_WAITING)
        if told["done"]:
            return told
        if told["state"] != said:
            said = str(told["state"])
            print(f"{told['operation']}: {said}", file=sys.stderr)
    raise _stopped(UNREACHABLE, "The result didn't arrive in time. The operation may still be running.")


def _patiently(make: Any, tries: int = TRIES) -> Json:
    for attempt in range(tries):
        reply = _call(make())
        if reply is not None and reply.status < 500 and reply.status not in AGAIN:
            return _understood(reply)
        if attempt == tries - 1:
            break
        time.sleep(min(LONGEST_PAUSE, (reply.retry_after if reply else 0.0) or 0.5 * 2**attempt))
    if reply is not None and reply.body:
        raise _stopped(UNREACHABLE, _words(reply.body))
    raise _stopped(
        UNREACHABLE, "The bot can't be reached." if reply is None else f"The bot returned HTTP {reply.status}."
    )


def _call(request: urllib.request.Request) -> Reply | None:
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=LONG_POLL + 30) as answer:
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


def _understood(reply: Reply) -> Json:
    if reply.status in {200, 202} and reply.body:
        return reply.body
    if reply.status == 401:
        raise _stopped(
            UNREACHABLE,
            "The bot rejects the secret or token, or this machine's clock differs by more than five minutes.",
        )
    if reply.status == 403:
        raise _stopped(FAIL, _words(reply.body))
    if reply.status in {409, 413, 415, 422}:
        raise _stopped(USAGE, _words(reply.body))
    raise _stopped(UNREACHABLE, f"The bot returned HTTP {reply.status}.")


def _words(problem: Json) -> str:
    near = problem.get("nearest") or []
    parts = [problem.get("title"), problem.get("detail"), *(problem.get("faults") or []), problem.get("fix")]
    return " ".join([str(part) for part in parts if part] + ([f"Did you mean {', '.join(near)}?"] if near else []))


def _finish(told: Json, output: str) -> NoReturn:
    gate = told["gate"]
    if output == "json":
        print(json.dumps(told, indent=2))
    else:
        print(f"{'pass' if gate['passed'] else 'FAIL'} ({gate['reason']}): {gate['text']}")
    raise SystemExit(PASS if gate["passed"] else FAIL)


def _stopped(code: int, text: str) -> SystemExit:
    print(text, file=sys.stderr)
    return SystemExit(code)
