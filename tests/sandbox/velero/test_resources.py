"""How the emulator resolves names of resources: as the discovery helper of a real server does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.kubernetes.schemas.kinds import KINDS, Kind
from sandbox.velero.resources import resolved
from sandbox.velero.selection import Filter
from tests.policy import restmapper

ROLES, SECRETS = "roles.rbac.authorization.k8s.io", "secrets"
OPENSHIFT = Kind("authorization.openshift.io", "v1", "roles", "Role", custom=True)
SERVED = (*KINDS.values(), OPENSHIFT)
APIS = tuple(
    restmapper.Api(kind.group, kind.plural, kind.singular, kind.short_names, kind.namespaced) for kind in SERVED
)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("roles", ROLES),
        ("Roles", ROLES),
        ("ROLE", ROLES),
        ("roles.rbac", ROLES),
        ("Role.rbac.authorization.k8s.io", ROLES),
        ("roles.authorization.openshift.io", "roles.authorization.openshift.io"),
        ("secrets.", SECRETS),
        ("po", "pods"),
        ("po.", "pods"),
        ("deploy.apps", "deployments.apps"),
        ("deploy.ap", "deployments.apps"),
        ("bsl", "backupstoragelocations.velero.io"),
        ("conf\u0130gmaps", "configmaps"),
        ("PO", None),
        ("roles.RBAC.authorization.k8s.io", None),
        ("roles ", None),
        ("\troles", None),
        ("roles\u200b", None),
        ("rol*", None),
        ("rolelists", None),
        ("pods.v1", None),
        (".rbac.authorization.k8s.io", None),
        ("", None),
    ],
)
def test_names(word: str, meant: str | None) -> None:
    found = resolved(word, SERVED)
    assert (found.qualified if found else None) == meant


@pytest.mark.parametrize(
    ("excluded", "taken"),
    [
        (["Roles", "secrets."], set()),
        (["roles.rbac"], {SECRETS}),
        (["rol*", "secret?"], set()),
        (["roles ", "secrets\t"], {ROLES, SECRETS}),
        (["[", "roles", "secrets"], {ROLES, SECRETS}),
        (["roles", "secrets", "{"], set()),
        (["*"], {ROLES, SECRETS}),
    ],
)
def test_excludes(excluded: list[str], taken: set[str]) -> None:
    rules = Filter({"excludedResources": excluded}, KINDS.values())
    assert {
        name for kind in KINDS.values() if (name := kind.qualified) in {ROLES, SECRETS} and rules.takes_kind(kind)
    } == (taken)


def test_a_scope_s_list_loses_what_is_of_the_other_scope() -> None:
    rules = Filter({"excludedNamespaceScopedResources": ["clusterroles", "role"]}, KINDS.values())
    assert rules.takes_kind(KINDS["clusterroles"])
    assert not rules.takes_kind(KINDS["roles"])


WORDS = st.builds(
    lambda api, name, case, group, after: (
        case((api.plural, api.singular, *api.short)[name % (2 + len(api.short))])
        + (f".{api.group[:group]}" if group else "")
        + after
    ),
    st.sampled_from(APIS),
    st.integers(0, 5),
    st.sampled_from([str, str.upper, str.title]),
    st.integers(0, 30),
    st.sampled_from(["", "", "", ".", " ", "*", "\u2003", "s"]),
)


@given(WORDS)
@settings(max_examples=300)
def test_it_resolves_as_the_go_code_does(word: str) -> None:
    found, meant = resolved(word, SERVED), restmapper.resource_for(word, APIS)
    assert (found.qualified if found else "") == (meant.full if meant else "")
