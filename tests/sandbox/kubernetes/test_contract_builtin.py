"""Rules of built-in kinds that a restore meets: the same on the emulator and on a real API server."""

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


async def make(api, plural, body, group=""):
    return await api.call("POST", api.path(plural, group=group), body)


async def patch(api, plural, name, body, group=""):
    return await api.call("PATCH", api.path(plural, name, group=group), body, content_type=MERGE)


def service(name, **spec):
    return {"metadata": {"name": name}, "spec": {"ports": [{"name": "http", "port": 80}], **spec}}


async def test_a_service_gets_an_address_that_does_not_change(api):
    made = (await make(api, "services", service("s"))).json
    assert made["spec"]["type"] == "ClusterIP"
    assert made["spec"]["clusterIPs"] == [made["spec"]["clusterIP"]]
    answer = await patch(api, "services", "s", {"spec": {"clusterIP": "10.0.0.250", "clusterIPs": ["10.0.0.250"]}})
    assert answer.refusal[:2] == (422, "Invalid")
    assert "spec.clusterIPs[0]: Invalid value: " in answer.refusal[2]
    assert answer.refusal[2].endswith("may not change once set")


async def test_a_node_port_belongs_to_one_service(api):
    port = {"name": "http", "port": 80, "nodePort": 31080}
    assert (await make(api, "services", service("one", type="NodePort", ports=[port]))).status == 201
    answer = await make(api, "services", service("two", type="NodePort", ports=[port]))
    said = 'Service "two" is invalid: spec.ports[0].nodePort: Invalid value: 31080: provided port is already allocated'
    assert answer.refusal == (422, "Invalid", said)


async def test_a_node_port_is_given_where_none_is_asked(api):
    made = (await make(api, "services", service("s", type="NodePort"))).json
    assert 30000 <= made["spec"]["ports"][0]["nodePort"] <= 32767


async def test_a_node_port_out_of_range(api):
    answer = await make(api, "services", service("s", type="NodePort", ports=[{"port": 80, "nodePort": 80}]))
    said = "provided port is not in the valid range. The range of valid ports is 30000-32767"
    assert answer.causes == {"spec.ports[0].nodePort": f"Invalid value: 80: {said}"}


async def test_a_service_name_starts_with_a_letter(api):
    answer = await make(api, "services", service("1st"))
    assert answer.refusal[:2] == (422, "Invalid")
    assert "a DNS-1035 label must consist of lower case alphanumeric characters" in answer.refusal[2]


async def test_an_immutable_secret_does_not_change(api):
    secret = {"metadata": {"name": "s"}, "data": {"a": "MQ=="}, "immutable": True}
    assert (await make(api, "secrets", secret)).json["type"] == "Opaque"
    answer = await patch(api, "secrets", "s", {"data": {"a": "Mg=="}, "immutable": None})
    frozen = "field is immutable when `immutable` is set"
    said = f'Secret "s" is invalid: [immutable: Forbidden: {frozen}, data: Forbidden: {frozen}]'
    assert answer.refusal == (422, "Invalid", said)


async def test_the_type_of_a_secret_does_not_change(api):
    await make(api, "secrets", {"metadata": {"name": "s"}})
    answer = await patch(api, "secrets", "s", {"type": "example.org/other"})
    assert answer.causes == {"type": 'Invalid value: "example.org/other": field is immutable'}


async def test_text_becomes_the_data_of_a_secret(api):
    made = await make(api, "secrets", {"metadata": {"name": "s"}, "stringData": {"a": "1"}})
    assert made.json["data"] == {"a": "MQ=="}


async def test_keys_of_a_config_map(api):
    answer = await make(api, "configmaps", {"metadata": {"name": "c"}, "data": {"bad key": "x"}})
    assert answer.refusal[:2] == (422, "Invalid")
    assert 'data[bad key]: Invalid value: "bad key": a valid config key must consist of' in answer.refusal[2]


async def test_a_claim_does_not_change(api):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "a"}
    await make(api, "persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": spec})
    answer = await patch(api, "persistentvolumeclaims", "data", {"spec": {"storageClassName": "b"}})
    code, reason, message = answer.refusal
    assert (code, reason) == (422, "Invalid")
    assert message.startswith(
        'PersistentVolumeClaim "data" is invalid: spec: Forbidden: spec is immutable after creation '
        "except resources.requests and volumeAttributesClassName for bound claims"
    )


async def test_a_pod_changes_its_image_only(api):
    container = {"name": "c", "image": "busybox:1"}
    assert (await make(api, "pods", {"metadata": {"name": "p"}, "spec": {"containers": [container]}})).status == 201
    newer = {"spec": {"containers": [{"name": "c", "image": "busybox:2"}]}}
    path = api.path("pods", "p", group="")
    assert (await api.call("PATCH", path, newer, content_type=STRATEGIC)).status == 200
    answer = await patch(api, "pods", "p", {"spec": {"hostname": "other"}})
    assert answer.refusal[:2] == (422, "Invalid")
    assert answer.refusal[2].startswith(
        'Pod "p" is invalid: spec: Forbidden: pod updates may not change fields other than '
    )


async def test_the_template_of_a_job_is_its_own(api):
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox:1"}]}}
    made = await make(api, "jobs", {"metadata": {"name": "migrate"}, "spec": {"template": pod}}, "batch/v1")
    uid = made.json["metadata"]["uid"]
    assert made.json["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] == uid
    other = {"spec": {"template": {"metadata": {"labels": {"controller-uid": None}}}}}
    answer = await patch(api, "jobs", "migrate", other, "batch/v1")
    assert answer.refusal[:2] == (422, "Invalid")
    assert answer.refusal[2].startswith('Job.batch "migrate" is invalid: ')
    assert answer.causes["spec.template"].endswith("field is immutable")


async def test_a_definition_makes_a_kind(api):
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    names = {"plural": "themes", "singular": "theme", "kind": "Theme", "listKind": "ThemeList"}
    spec = {"group": "blog.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    body = {"metadata": {"name": "themes.blog.example.com"}, "spec": spec}
    made = await api.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)
    assert made.status == 201
    assert made.json["spec"]["names"]["kind"] == "Theme"


async def test_a_definition_has_a_schema(api):
    names = {"plural": "moods", "singular": "mood", "kind": "Mood", "listKind": "MoodList"}
    version = {"name": "v1", "served": True, "storage": True}
    spec = {"group": "blog.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    body = {"metadata": {"name": "moods.blog.example.com"}, "spec": spec}
    answer = await api.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)
    assert answer.causes["spec.versions[0].schema.openAPIV3Schema"] == "Required value"


async def test_a_deployment_selects_the_pods_that_it_makes(api):
    pod = {"metadata": {"labels": {"app": "blog"}}, "spec": {"containers": [{"name": "c", "image": "busybox:1"}]}}
    spec = {"selector": {"matchLabels": {"app": "shop"}}, "template": pod}
    answer = await make(api, "deployments", {"metadata": {"name": "d"}, "spec": spec}, "apps/v1")
    said = "`selector` does not match template `labels`"
    assert answer.causes["spec.template.metadata.labels"] == f'Invalid value: {{"app":"blog"}}: {said}'
    answer = await make(api, "deployments", {"metadata": {"name": "d"}, "spec": {"template": pod}}, "apps/v1")
    assert answer.causes["spec.selector"] == "Required value"
