"""The preview of a restore: each fate, the selection, the impact and the summary, as observed on a real server."""

import re
import tracemalloc

import pytest

from operations.restore_preview.preview import SENTENCES, Fate, Preview, Row
from tests.operations.restore_preview.archives import SERVED, preview, thing

MAP = thing("ConfigMap", "settings", data={"color": "green", "size": "7"})


def fates(found):
    """The fate of every object except namespaces, by name."""
    return {row.name: row.fate for row in found.rows if row.kind != "Namespace"}


def test_what_is_missing_is_new():
    found = preview([MAP])
    assert fates(found) == {"settings": Fate.NEW}
    assert found.impact == {"ConfigMap shop/settings new"}


def test_equal_objects_are_unchanged_despite_server_defaults():
    live = thing(
        "ConfigMap",
        "settings",
        data={"size": "7", "color": "green"},
        metadata={
            "uid": "other",
            "resourceVersion": "99",
            "managedFields": [{"manager": "kubectl"}],
            "labels": {"velero.io/restore-name": "r0"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        },
    )
    found = preview([MAP], [live])
    assert fates(found) == {"settings": Fate.UNCHANGED}
    assert found.impact == frozenset()


CHANGED = thing("ConfigMap", "settings", data={"color": "red", "size": "7"})


def test_different_objects_are_kept_unless_the_policy_is_update():
    found = preview([MAP], [CHANGED])
    assert fates(found) == {"settings": Fate.KEPT}
    assert found.rows[0].fields == ("data.color",)
    assert found.impact == frozenset()


def test_the_policy_update_lists_the_fields_that_change():
    found = preview([MAP], [CHANGED], existingResourcePolicy="update")
    assert fates(found) == {"settings": Fate.CHANGED}
    assert found.impact == {"ConfigMap shop/settings changed"}
    assert "ConfigMap shop/settings (data.color)" in "\n".join(found.summary())


def test_the_verb_agrees_with_the_number_of_objects():
    other = thing("ConfigMap", "other", data={"a": "1"})
    assert preview([MAP], [CHANGED]).summary()[0] == (
        "1 object exists with differences and is left unchanged: ConfigMap shop/settings (data.color)."
    )
    both = preview([MAP, other], [CHANGED, thing("ConfigMap", "other", data={"a": "2"})])
    assert both.summary()[0].startswith("2 objects exist with differences and are left unchanged: ConfigMap shop/")


def test_many_objects_are_counted_by_kind():
    kinds = ("ConfigMap", "ConfigMap", "ConfigMap", "NetworkPolicy", "NetworkPolicy", "Ingress")
    rows = tuple(Row(kind, "shop", f"n-{number}", Fate.NEW) for number, kind in enumerate(kinds))
    assert Preview(rows).summary() == ("6 objects would be created: 3 ConfigMaps, 2 NetworkPolicies, 1 Ingress.",)


def test_unreadable_objects_are_listed_with_the_reason():
    forbidden = (Row("Secret", "shop", "a", Fate.UNREAD), Row("Ingress", "shop", "b", Fate.UNREAD))
    unserved = Row("Theme", "shop", "dark", Fate.UNREAD, why="the cluster's API group doesn't respond")
    (line,) = Preview((*forbidden, unserved)).summary()
    assert line == (
        "1 Theme wasn't compared: the cluster's API group doesn't respond. "
        "1 Secret, 1 Ingress weren't compared: the bot has no permission to read them."
    )


@pytest.mark.parametrize("fate", SENTENCES)
def test_the_sentence_for_one_object_is_singular(fate):
    (line,) = Preview((Row("ConfigMap", "shop", "settings", fate),)).summary()[:1]
    assert line.startswith(("1 object ", "1 ConfigMap "))
    assert not re.search(r"object (differ|are|were|have)\b|\bthey\b|\bthem\b", line)


@pytest.mark.parametrize(
    ("kind", "before", "now"),
    [
        ("Pod", {"spec": {"containers": [{"image": "web:1"}]}}, {"spec": {"containers": [{"image": "web:2"}]}}),
        ("Job", {"spec": {"parallelism": 1}}, {"spec": {"parallelism": 2}}),
        ("ConfigMap", {"immutable": True, "data": {"a": "1"}}, {"immutable": True, "data": {"a": "2"}}),
        ("PersistentVolumeClaim", {"spec": {"storageClassName": "fast"}}, {"spec": {"storageClassName": "slow"}}),
    ],
)
def test_immutable_objects_stay_unchanged(kind, before, now):
    found = preview([thing(kind, "x", **before)], [thing(kind, "x", **now)], existingResourcePolicy="update")
    assert fates(found) == {"x": Fate.IMMUTABLE}
    assert found.rows[0].why
    assert found.impact == frozenset()


def test_fields_that_the_server_fills_in_are_no_difference():
    saved = thing("Service", "web", spec={"clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30080}]})
    live = thing("Service", "web", spec={"clusterIP": "10.0.0.9", "ports": [{"port": 80, "nodePort": 31000}]})
    assert fates(preview([saved], [live], existingResourcePolicy="update")) == {"web": Fate.UNCHANGED}


def test_values_of_secrets_are_compared_but_never_shown():
    saved = thing("Secret", "web", data={"password": "b25l"})
    other = thing("Secret", "web", data={"password": "dHdv"})
    found = preview([saved], [other], existingResourcePolicy="update")
    assert fates(found) == {"web": Fate.CHANGED}
    assert found.rows[0].fields == ("data.password",)
    assert fates(preview([saved], [saved])) == {"web": Fate.UNCHANGED}
    assert "b25l" not in found.report()
    assert "dHdv" not in found.report()


def test_unreadable_objects_are_never_called_unchanged():
    found = preview([thing("Secret", "web", data={})], unread=["secrets"])
    assert fates(found) == {"web": Fate.UNREAD}
    assert found.summary()[0] == "1 Secret wasn't compared: the bot has no permission to read Secrets."


def test_an_api_version_that_is_not_served():
    assert fates(preview([thing("Theme", "dark", spec={})])) == {"dark": Fate.NOT_SERVED}


def test_a_kind_that_the_backup_itself_defines_is_new():
    definition = thing("CustomResourceDefinition", "themes.blog.example.com", spec={})
    found = preview([thing("Theme", "dark", spec={}), definition], includeClusterResources=True)
    assert fates(found)["dark"] is Fate.NEW


def test_an_api_group_that_does_not_respond_is_not_compared():
    served = type(SERVED)(SERVED.kinds, frozenset({"blog.example.com/v1"}))
    assert fates(preview([thing("Theme", "dark", spec={})], served=served)) == {"dark": Fate.UNREAD}


# scope


BOTH = [MAP, thing("ConfigMap", "other", "billing", data={})]


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({}, {"settings", "other"}),
        ({"includedNamespaces": ["shop"]}, {"settings"}),
        ({"includedNamespaces": ["sh*"]}, {"settings"}),
        ({"excludedNamespaces": ["shop"]}, {"other"}),
        ({"includedResources": ["secrets"]}, set()),
        ({"includedResources": ["configmap"]}, {"settings", "other"}),
        ({"excludedResources": ["configmaps"]}, set()),
        ({"labelSelector": {"matchLabels": {"app": "web"}}}, set()),
    ],
)
def test_only_selected_objects_have_a_row(spec, names):
    assert set(fates(preview(BOTH, **spec))) == names


def test_cluster_scoped_objects_need_all_namespaces_or_the_flag():
    role = thing("ClusterRole", "admin", rules=[])
    assert fates(preview([role])) == {"admin": Fate.NEW}
    assert fates(preview([role], includedNamespaces=["shop"])) == {}
    assert fates(preview([role], includedNamespaces=["shop"], includeClusterResources=True)) == {"admin": Fate.NEW}
    assert fates(preview([role], includeClusterResources=False)) == {}


def test_finished_pods_and_jobs_are_skipped():
    assert fates(preview([thing("Pod", "done", status={"phase": "Succeeded"})])) == {}
    assert fates(preview([thing("Job", "done", status={"completionTime": "2026-01-01T00:00:00Z"})])) == {}


def test_a_mapped_namespace_is_compared_with_its_target():
    there = thing("ConfigMap", "settings", "copy", data=MAP["data"])
    found = preview([MAP], [there], namespaceMapping={"shop": "copy"})
    assert [(row.namespace, row.fate) for row in found.rows] == [("copy", Fate.UNCHANGED)]


# the impact that an approval is bound to


OWNED = {"ownerReferences": [{"kind": "ReplicaSet", "name": "web-1", "controller": True}]}


def test_changes_by_controllers_are_not_part_of_the_impact():
    saved = [
        thing("Deployment", "web", spec={"replicas": 3, "template": {"image": "web:1"}}),
        thing("Pod", "web-abc", spec={}, metadata=OWNED),
        thing("Lease", "leader", spec={"holderIdentity": "a"}),
        MAP,
    ]
    calm = [thing("Deployment", "web", spec={"replicas": 3, "template": {"image": "web:1"}}), MAP]
    busy = [
        thing("Deployment", "web", spec={"replicas": 9, "template": {"image": "web:1"}}, status={"replicas": 9}),
        thing("Lease", "leader", spec={"holderIdentity": "b"}),
        MAP,
    ]
    before = preview(saved, calm, existingResourcePolicy="update").impact
    after = preview(saved, busy, existingResourcePolicy="update").impact
    assert before == after == frozenset()


def test_a_real_change_is_part_of_the_impact():
    saved = [thing("Deployment", "web", spec={"replicas": 3, "template": {"image": "web:1"}})]
    live = [thing("Deployment", "web", spec={"replicas": 3, "template": {"image": "web:2"}})]
    assert preview(saved, live, existingResourcePolicy="update").impact == {"Deployment shop/web changed"}


def test_existing_pvcs_keep_their_data():
    claim = thing("PersistentVolumeClaim", "data", spec={})
    found = preview([claim], [claim])
    assert [(one.name, one.is_restored) for one in found.volume_outcomes] == [("shop/data", False)]
    assert "keeps its data" in "\n".join(found.summary())


def test_a_missing_storage_class_is_named():
    claim = thing("PersistentVolumeClaim", "data", spec={"storageClassName": "fast"})
    said = "\n".join(preview([claim], classes=frozenset({"slow"})).summary())
    assert "shop/data (fast)" in said
    assert "velero.io/change-storage-class" in said
    assert preview([claim], classes=frozenset({"fast"})).missing_classes == ()
    assert preview([claim], classes=None).missing_classes == ()


def test_hooks_that_would_run_are_listed():
    notes = {"annotations": {"post.hook.restore.velero.io/command": '["/migrate"]'}}
    found = preview([thing("Pod", "web", spec={}, metadata=notes)])
    assert any("/migrate" in line for line in found.summary())


def test_the_summary_fits_a_message_and_the_report_lists_everything():
    found = preview([thing("ConfigMap", f"settings-{n}", data={}) for n in range(3000)])
    assert len("\n".join(found.summary())) < 3000
    assert found.report().count("new ") >= 3000


def test_every_object_of_a_large_backup_is_compared():
    text = "x" * 4000
    objects = [thing("ConfigMap", f"m-{n}", data={"text": text, "n": str(n)}) for n in range(3000)]
    found = preview(objects, objects[:1500], existingResourcePolicy="update")
    assert (len(found.rows_with(Fate.UNCHANGED)), len(found.rows_with(Fate.NEW))) == (1500, 1500)


def test_the_live_index_is_small():
    from operations.restore_preview.live_index import LiveIndex
    from tests.operations.restore_preview.archives import KINDS

    shelf = LiveIndex({("configmaps", "shop", f"m-{n}") for n in range(3000)})
    tracemalloc.start()
    for n in range(3000):
        shelf.add(KINDS["ConfigMap"], thing("ConfigMap", f"m-{n}", data={"text": f"{n}" * 1000}))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 15 << 20  # a quarter of the objects' text
