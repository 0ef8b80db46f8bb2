"""What is applied: valid by Kubernetes' own schemas, and as tight as it says."""

import json
from functools import cache
from ipaddress import ip_address, ip_network

import pytest
from jsonschema import Draft202012Validator

from bot.configuration.settings_file import parse
from tests.deploy.rendering import DEPLOY, ROOT, load, one, render

VERSIONS = ["v1.25", "v1.37"]
PREVIEWS = DEPLOY / "components" / "previews"
MOUNTED = "/etc/velero-chatops/velero-chatops.toml"


@cache
def schema(version: str) -> dict:
    return json.loads((ROOT / "tests" / "data" / "kubernetes" / f"{version}.json").read_text("utf-8"))


def faults(version: str, thing: dict) -> list[str]:
    known = schema(version)
    definition = known["kinds"][f"{thing['apiVersion']} {thing['kind']}"]
    judge = Draft202012Validator({"$defs": known["$defs"], "$ref": f"#/$defs/{definition}"})
    return [f"{fault.json_path}: {fault.message}" for fault in judge.iter_errors(thing)]


@pytest.fixture
def applied() -> list[dict]:
    return render(DEPLOY, components=(PREVIEWS,))


@pytest.fixture
def pod(applied) -> dict:
    return one(applied, "Deployment")["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_manifest(applied, version):
    assert {f"{each['kind']} {each['metadata']['name']}": faults(version, each) for each in applied} == {
        f"{each['kind']} {each['metadata']['name']}": [] for each in applied
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_field_that_does_not_exist_is_told(applied, version):
    deployment = one(applied, "Deployment")
    deployment["spec"]["template"]["spec"]["securityContext"]["runAsNonroot"] = True
    assert "runAsNonroot" in faults(version, deployment)[0]


def test_nothing_is_applied_twice(applied):
    names = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in applied]
    assert len(names) == len(set(names))


def test_previews_are_opt_in():
    plain = {each["metadata"]["name"] for each in render(DEPLOY)}
    assert "velero-chatops-previews" not in plain


def test_the_rights_can_be_applied_alone():
    kinds = sorted(each["kind"] for each in render(DEPLOY / "rights"))
    assert kinds == [
        "ClusterRole",
        "ClusterRoleBinding",
        "Namespace",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    ]


def test_every_manifest_lies_in_some_kustomization():
    used = {json.dumps(each, sort_keys=True) for each in [*render(DEPLOY), *render(PREVIEWS)]}
    manifests = [path for path in DEPLOY.rglob("*.yaml") if path.parent.name in {"rights", "manifests", "previews"}]
    left = [
        path.name
        for path in manifests
        if path.name != "kustomization.yaml"
        for each in load(path)
        if json.dumps(each, sort_keys=True) not in used and each["kind"] != "Deployment"
    ]
    assert left == []


def test_bindings_bind_what_is_there(applied):
    for binding in (each for each in applied if each["kind"].endswith("RoleBinding")):
        role = one(applied, binding["roleRef"]["kind"], binding["roleRef"]["name"])
        assert role["metadata"].get("namespace") == binding["metadata"].get("namespace")
        for subject in binding["subjects"]:
            account = one(applied, subject["kind"], subject["name"])
            assert account["metadata"]["namespace"] == subject["namespace"]


def test_the_pod_keeps_to_the_restricted_standard(applied, pod):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/ - what the namespace enforces."""
    assert one(applied, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    (container,) = pod["containers"]
    inside = container["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] != 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inside["allowPrivilegeEscalation"] is False
    assert inside["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} <= {
        "configMap",
        "persistentVolumeClaim",
        "emptyDir",
    }


def test_what_the_bot_writes_is_on_volumes(applied, pod):
    (container,) = pod["containers"]
    settings, _ = parse(one(applied, "ConfigMap")["data"]["velero-chatops.toml"], MOUNTED)
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert writable == {str(settings.data_dir), "/tmp"}
    assert container["args"] == ["serve", "--config", MOUNTED]


def test_probes_and_service_find_the_port_that_is_listened_on(applied, pod):
    (container,) = pod["containers"]
    settings, _ = parse(one(applied, "ConfigMap")["data"]["velero-chatops.toml"], MOUNTED)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert settings.listen == f"0.0.0.0:{ports['http']}"
    assert settings.status_listen == f"0.0.0.0:{ports['status']}"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        assert container[probe]["httpGet"]["port"] == "status"
    assert [each["targetPort"] for each in one(applied, "Service")["spec"]["ports"]] == ["http"]
    metrics = one(applied, "Service", "velero-chatops-metrics")
    assert [each["targetPort"] for each in metrics["spec"]["ports"]] == ["status"]
    assert metrics["metadata"]["annotations"]["prometheus.io/port"] == str(ports["status"])


def test_slack_s_side_cannot_reach_the_status_port(applied):
    into = one(applied, "NetworkPolicy")["spec"]["ingress"]
    by_port = {rule["ports"][0]["port"]: rule["from"] for rule in into}
    assert by_port.keys() == {"http", "status"}
    assert by_port["http"] != by_port["status"]


def test_egress_goes_where_it_is_needed_and_never_to_the_node_s_metadata(applied):
    out = one(applied, "NetworkPolicy")["spec"]["egress"]
    assert all(rule.get("to") and rule.get("ports") for rule in out)
    metadata_service = ip_address("169.254.169.254")
    blocks = [block["ipBlock"] for rule in out for block in rule["to"] if "ipBlock" in block]
    for block in blocks:
        reaches = metadata_service in ip_network(block["cidr"])
        assert not reaches or any(metadata_service in ip_network(each) for each in block["except"])
    assert {port["port"] for rule in out for port in rule["ports"]} == {53, 443, 6443, 9000}


def test_everything_selects_the_pod(applied):
    deployment = one(applied, "Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    selectors = [
        deployment["selector"]["matchLabels"],
        one(applied, "Service")["spec"]["selector"],
        one(applied, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)


def test_two_processes_never_share_the_database(applied):
    deployment = one(applied, "Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert one(applied, "PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteOncePod"]
