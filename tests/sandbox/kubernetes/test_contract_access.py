"""Who may: tokens, forbidden things, reviews; the same on the emulator and on a real API server."""

import pytest


async def test_a_wrong_token_is_nobody(api):
    answer = await api.call("GET", api.path("backups"), token="wrong")
    assert answer.refusal == (401, "Unauthorized", "Unauthorized")


async def test_for_a_watch_too(api):
    async with api.watch(api.path("backups"), token="wrong") as watch:
        assert watch.status == 401


async def test_no_token_is_anonymous_and_forbidden(api):
    code, reason, message = (await api.call("GET", api.path("backups"), token=None)).refusal
    assert (code, reason) == (403, "Forbidden")
    assert 'User "system:anonymous" cannot list resource "backups"' in message


async def test_anonymous_may_not_look_around(api):
    code, reason, message = (await api.call("GET", "/apis", token=None)).refusal
    assert (code, reason) == (403, "Forbidden")
    assert message == 'forbidden: User "system:anonymous" cannot get path "/apis"'


async def test_anonymous_may_ask_the_version(api):
    assert (await api.call("GET", "/version", token=None)).status == 200


async def test_the_bot_reads_what_it_may(api):
    await api.backup("a")
    assert (await api.call("GET", api.path("backups"), token=api.bot_token)).names == ["a"]


async def test_the_bot_is_told_what_it_may_not(api):
    answer = await api.call("GET", api.path("restores"), token=api.bot_token)
    code, reason, message = answer.refusal
    assert (code, reason) == (403, "Forbidden")
    assert 'cannot list resource "restores" in API group "velero.io" in the namespace "' in message
    assert message.startswith("restores.velero.io is forbidden: User ")
    assert answer.json["details"] == {"group": "velero.io", "kind": "restores"}


async def test_a_refusal_names_the_object_and_does_not_say_whether_it_exists(api):
    answer = await api.call("DELETE", api.path("backups", "nothing"), token=api.bot_token)
    code, reason, message = answer.refusal
    assert (code, reason) == (403, "Forbidden")
    assert message.startswith('backups.velero.io "nothing" is forbidden: User ')
    assert 'cannot delete resource "backups"' in message
    assert answer.json["details"] == {"name": "nothing", "group": "velero.io", "kind": "backups"}


async def test_forbidden_comes_before_existence_of_the_version(api):
    assert (await api.call("GET", "/apis/velero.io/v9/backups", token=api.bot_token)).status == 403
    assert (await api.call("GET", "/apis/velero.io/v9/backups")).status == 404


async def test_rights_in_a_namespace_are_none_over_all(api):
    message = (await api.call("GET", "/apis/velero.io/v1/backups", token=api.bot_token)).refusal[2]
    assert message.endswith('cannot list resource "backups" in API group "velero.io" at the cluster scope')


async def test_core_kinds_have_an_empty_group(api):
    message = (await api.call("GET", api.path("secrets", "s", group=""), token=api.bot_token)).refusal[2]
    assert message.startswith('secrets "s" is forbidden: User ')
    assert 'cannot get resource "secrets" in API group "" in the namespace' in message


@pytest.mark.parametrize(("verb", "allowed"), [("list", True), ("watch", True), ("create", False), ("delete", False)])
async def test_the_bot_may_ask_what_it_may(api, verb, allowed):
    asked = {"namespace": api.namespace, "verb": verb, "group": "velero.io", "resource": "backups"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await api.call("POST", path, review, token=api.bot_token)
    assert answer.status == 201
    assert answer.json["status"]["allowed"] is allowed
    assert answer.json["spec"]["resourceAttributes"]["verb"] == verb


async def test_a_review_over_all_namespaces_is_no(api):
    asked = {"verb": "list", "group": "velero.io", "resource": "backups"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert (await api.call("POST", path, review, token=api.bot_token)).json["status"] == {"allowed": False}


async def test_a_rules_review_lists_what_the_bot_may(api):
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": api.namespace},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    answer = await api.call("POST", path, review, token=api.bot_token)
    assert answer.status == 201
    rules = [r for r in answer.json["status"]["resourceRules"] if "backups" in r["resources"]]
    assert sorted(rules[0]["verbs"]) == ["get", "list", "watch"]
