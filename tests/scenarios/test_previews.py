"""`restore plan` predicts the phase of a restore and shows what modifiers change."""

import json

ASK = "/velero restore plan r1 --from-backup b1 --include-namespaces shop"


async def planned(house, line):
    await house.backed_up("b1")
    await house.quiet()
    answer = await house.grace.says(line)
    return await answer.reply("Nothing was changed")


async def test_a_node_port_in_use_is_shown_with_its_service(house):
    ports = [{"port": 80, "nodePort": 30080}]
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"spec": {"ports": ports}})}
    body = {"metadata": {"name": "front", "annotations": applied}, "spec": {"type": "NodePort", "ports": ports}}
    house.prod.objects.create("services", "shop", body)
    reply = await planned(house, f"{ASK} --namespace-mappings shop:shop-copy")
    assert "Service shop-copy/front: node port 30080 is used by shop/front" in reply.full_text
    assert "The restore would end PartiallyFailed" in reply.full_text


async def test_without_a_fixed_node_port_there_is_no_warning(house):
    body = {"metadata": {"name": "front"}, "spec": {"ports": [{"port": 80}]}}
    house.prod.objects.create("services", "shop", body)
    reply = await planned(house, f"{ASK} --namespace-mappings shop:shop-copy")
    assert "conflict" not in reply.full_text
    assert "PartiallyFailed" not in reply.full_text


RULES = {
    "version": "v1",
    "resourceModifierRules": [
        {
            "conditions": {"groupResource": "configmaps", "resourceNameRegex": "^settings-0$"},
            "mergePatches": [{"patchData": "data: {color: red}"}],
        }
    ],
}


async def test_fields_that_modifiers_change_are_shown(house):
    words = f"{ASK} --existing-resource-policy update --modifier '{json.dumps(RULES)}'"
    reply = await planned(house, words)
    assert "Changed by resource modifiers: ConfigMap shop/settings-0." in reply.full_text
    assert "ConfigMap shop/settings-0 (data.color)" in reply.full_text


async def test_a_restore_into_a_terminating_namespace_is_refused(house):
    await house.backed_up("b1")
    await house.quiet()
    house.prod.objects.create("namespaces", None, {"metadata": {"name": "drill", "finalizers": ["example.com/slow"]}})
    house.prod.objects.collector.hold_namespaces = True
    house.prod.objects.delete("namespaces", None, "drill")
    line = "/velero restore create r1 --from-backup b1 --include-namespaces shop --namespace-mappings shop:drill"
    answer = await house.grace.says(f"{line} --reason drill")
    assert await answer.reply("Namespace `drill` is being deleted")
    assert house.prod.objects.list("restores", "velero") == []
