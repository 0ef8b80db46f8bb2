"""Startup of a server: every run in progress when the last server stopped is marked Failed."""

from sandbox.velero.server import Server, phase


def fail_interrupted(server: Server) -> None:
    for resource, word in (("backups", "backup"), ("restores", "restore")):
        for thing in server.objects.list(resource, server.namespace):
            if phase(thing) != "InProgress":
                continue
            reason = f'found a {word} with status "InProgress" during the server starting, mark it as "Failed"'
            failed = {"phase": "Failed", "failureReason": reason, "completionTimestamp": server.stamp()}
            server.patch(resource, thing["metadata"]["name"], status=failed)
