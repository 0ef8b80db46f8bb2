"""Errors of replies: type, text and fix."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import (
    ClusterError,
    Forbidden,
    ObjectNotFound,
    Rejected,
    ResourceVersionExpired,
    Throttled,
    Unauthenticated,
    Unreachable,
    VeleroMissing,
)
from tests.velero.conftest import failed
from velero.errors import Reply, describe_request, error_of_reply, error_of_watch_event, parse_retry_after, shorten

INSIDE = "/apis/velero.io/v1/namespaces/velero"

WORDS = [
    ("GET", f"{INSIDE}/backups", "list backups"),
    ("GET", f"{INSIDE}/backups/nightly", "get backups nightly"),
    ("POST", f"{INSIDE}/restores", "create restores"),
    ("PATCH", f"{INSIDE}/schedules/daily", "patch schedules daily"),
    ("DELETE", f"{INSIDE}/schedules/daily", "delete schedules daily"),
    ("GET", "/api/v1/namespaces", "list namespaces"),
    ("GET", "/api/v1/namespaces/shop", "get namespaces shop"),
    ("GET", "/api/v1/namespaces/velero/configmaps/policy", "get configmaps policy"),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "create selfsubjectaccessreviews"),
]


@pytest.mark.parametrize(("method", "path", "words"), WORDS)
def test_a_request_is_described(method, path, words):
    assert str(describe_request("prod", method, path)) == words


def test_a_watch_is_described():
    what = describe_request("prod", "GET", f"{INSIDE}/backups", watch=True)
    assert (what.verb, what.resource, what.namespace) == ("watch", "backups", "velero")


WHAT = describe_request("prod", "GET", f"{INSIDE}/backups/nightly")


def reply(status: int, body: dict | None = None, **more: str) -> Reply:
    return Reply(status, json.dumps(body).encode() if body else b"", **more)


def test_a_missing_object_is_named():
    body = failed(404, 'backups.velero.io "nightly" not found', "NotFound", {"name": "nightly", "kind": "backups"})
    error = error_of_reply(WHAT, reply(404, body))
    assert isinstance(error, ObjectNotFound)
    assert error.text == "backups nightly doesn't exist in prod."


def test_a_missing_namespace_is_named():
    body = failed(404, 'namespaces "velero" not found', "NotFound", {"name": "velero", "kind": "namespaces"})
    error = error_of_reply(describe_request("prod", "POST", f"{INSIDE}/backups"), reply(404, body))
    assert error.text == "namespaces velero doesn't exist in prod."


def test_forbidden_without_a_body():
    error = error_of_reply(WHAT, Reply(403, b"<html>", "text/html"))
    assert isinstance(error, Forbidden)
    assert error.why == ""


def test_an_anonymous_403_is_unauthenticated():
    message = 'backups.velero.io is forbidden: User "system:anonymous" cannot get resource "backups"'
    assert isinstance(error_of_reply(WHAT, reply(403, failed(403, message, "Forbidden"))), Unauthenticated)


def test_a_terminating_namespace_is_not_a_missing_permission():
    cause = {"reason": "NamespaceTerminating", "message": "namespace velero is being terminated", "field": "metadata"}
    body = failed(403, "unable to create new content", "Forbidden", {"name": "x", "causes": [cause]})
    error = error_of_reply(describe_request("prod", "POST", f"{INSIDE}/backups"), reply(403, body))
    assert isinstance(error, Rejected)
    assert "being terminated" in error.why


def test_503_with_retry_after_is_throttling():
    error = error_of_reply(WHAT, Reply(503, b"<html>", "text/html", "30"))
    assert isinstance(error, Throttled)
    assert error.retry_after == 30.0


def test_503_without_retry_after_is_not_throttling():
    error = error_of_reply(WHAT, Reply(503, b"<html>", "text/html"))
    assert isinstance(error, Unreachable)


def test_an_unknown_resource_in_plain_text():
    assert isinstance(
        error_of_reply(WHAT, Reply(404, b"404 page not found\n", "text/plain; charset=utf-8")), VeleroMissing
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ({"code": 410, "reason": "Expired"}, ResourceVersionExpired),
        ({"reason": "Expired"}, ResourceVersionExpired),
        ({"reason": "Gone"}, ResourceVersionExpired),
        ({"code": 403}, Forbidden),
        ({"code": 500, "message": "etcd"}, Unreachable),
        ({"code": "410"}, Unreachable),
        ({"code": 0}, Unreachable),
        ({}, Unreachable),
    ],
)
def test_error_lines_of_a_watch(status, kind):
    assert type(error_of_watch_event(describe_request("prod", "GET", f"{INSIDE}/backups", watch=True), status)) is kind


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("inf", 600.0),
        ("x" * 1000, None),
    ],
)
def test_retry_after(value, seconds):
    assert parse_retry_after(value, now=1_795_262_400.0) == seconds


def test_a_message_is_one_line():
    assert shorten("a\n\tb  c") == "a b c"
    assert len(shorten("x" * 1000)) == 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
STATUS = st.fixed_dictionaries(
    {"kind": st.just("Status")},
    optional=dict.fromkeys(["code", "message", "reason", "details"], JSON | st.integers(100, 600)),
)


@given(
    STATUS | JSON, st.integers(300, 599), st.sampled_from(["application/json", "text/plain", ""]), st.text(max_size=8)
)
def test_every_reply_has_an_error(body, status, content_type, wait):
    error = error_of_reply(WHAT, Reply(status, json.dumps(body).encode(), content_type, wait))
    assert isinstance(error, ClusterError)
    assert error.cluster == "prod"
    assert error.text


@given(st.binary(max_size=60), st.integers(300, 599))
def test_no_body_is_quoted(body, status):
    hushed = b"hush-hush " + body
    error = error_of_reply(WHAT, Reply(status, hushed, "text/html"))
    assert "hush-hush" not in f"{error.text}{error.why}{error.fix}"
