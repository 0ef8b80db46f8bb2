"""Classifies errors of Slack calls: certainly not accepted, never to be accepted, or doubtful."""

from __future__ import annotations

import aiohttp
from slack_sdk.errors import SlackApiError

from domain.errors import DeliveryError, Doubtful, NotAccepted, Undeliverable

AMBIGUOUS_ERRORS = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
RATE_LIMIT_ERRORS = frozenset({"ratelimited", "rate_limited"})
CHANNEL_UNREACHABLE_ERRORS = frozenset(
    {"channel_not_found", "not_in_channel", "is_archived", "restricted_action", "user_not_found", "cannot_dm_bot"}
)
BROKEN_TOKEN_ERRORS = frozenset({"invalid_auth", "token_revoked", "token_expired", "account_inactive", "not_authed"})


def classify_error(error: Exception) -> DeliveryError:
    """Classify an exception of the Slack client. Nothing arrives over a connection that never opened."""
    if isinstance(error, SlackApiError):
        return _of_answer(error)
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ClientConnectorDNSError)):
        return NotAccepted("Slack can't be reached.", code="unreachable", retry_after=5.0)
    return Doubtful(f"Slack didn't confirm the message ({type(error).__name__}).", code=type(error).__name__)


def _of_answer(error: SlackApiError) -> DeliveryError:
    response = error.response
    status = int(getattr(response, "status_code", 200) or 200)
    data = getattr(response, "data", None)
    code = str(data.get("error", "")) if isinstance(data, dict) else ""
    if status == 429 or code in RATE_LIMIT_ERRORS:
        return NotAccepted("Slack rate limit reached.", code="ratelimited", retry_after=_retry_after(response))
    if status >= 500 or code in AMBIGUOUS_ERRORS:
        return Doubtful("Slack returned an error; the message may have arrived.", code=code or str(status))
    if code in BROKEN_TOKEN_ERRORS:
        return NotAccepted("Slack rejects the bot token.", code=code, retry_after=60.0)
    if not code:
        return Doubtful("Slack returned an unexpected response.", code=str(status))
    return Undeliverable(f"Slack refuses the message: {code}.", code=code)


def _retry_after(response: object) -> float:
    headers = getattr(response, "headers", None) or {}
    value = headers.get("Retry-After") or headers.get("retry-after") or "1"
    text = value[0] if isinstance(value, list) else value
    return float(text) if str(text).replace(".", "", 1).isdigit() else 1.0
