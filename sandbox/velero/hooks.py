"""Commands run in pods around their backup."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from domain.json_types import Json
from sandbox.velero.log import RunLog
from sandbox.velero.selection import Item, matches

HookPhase = Literal["pre", "post"]

NO_EXEC = "no preferred addresses found; known addresses: []"
FAILED = "command terminated with exit code 1"


@dataclass(frozen=True, slots=True)
class Hook:
    name: str
    source: Literal["spec", "annotation"]
    phase: HookPhase
    container: str
    command: tuple[str, ...]
    on_error: str
    timeout: str


@dataclass(slots=True)
class Tally:
    attempted: int = 0
    failed: int = 0

    def json(self) -> Json:
        counted = {"hooksAttempted": self.attempted, "hooksFailed": self.failed}
        return {name: number for name, number in counted.items() if number}


def hooks_of(pod: Item, spec: Json, phase: HookPhase) -> list[Hook]:
    """Return a pod's hooks; its annotations replace the hooks of the spec."""
    if (annotated := _annotated(pod, phase)) is not None:
        return [annotated]
    resources = (spec.get("hooks") or {}).get("resources") or ()
    return [hook for resource in resources if _applies(resource, pod) for hook in _listed(resource, pod, phase)]


def _first_container(pod: Item) -> str:
    containers = pod.body.get("spec", {}).get("containers") or [{"name": ""}]
    return str(containers[0]["name"])


def _annotated(pod: Item, phase: HookPhase) -> Hook | None:
    annotations = pod.body["metadata"].get("annotations") or {}
    prefixes = (f"{phase}.hook.backup.velero.io/", *(("hook.backup.velero.io/",) if phase == "pre" else ()))
    for prefix in prefixes:
        if not (text := annotations.get(f"{prefix}command")):
            continue
        command = _words(text)
        container = annotations.get(f"{prefix}container") or _first_container(pod)
        on_error = annotations.get(f"{prefix}on-error") or ""
        timeout = annotations.get(f"{prefix}timeout") or "30s"
        return Hook("<from-annotation>", "annotation", phase, container, command, on_error, timeout)
    return None


def _words(text: str) -> tuple[str, ...]:
    """Parse a command: a JSON array of words, or else one word."""
    try:
        words = json.loads(text)
    except ValueError:
        return (text,)
    return tuple(map(str, words)) if isinstance(words, list) else (text,)


def _applies(resource: Json, pod: Item) -> bool:
    included, excluded = resource.get("includedNamespaces") or ["*"], resource.get("excludedNamespaces") or ()
    inside = ("*" in included or pod.namespace in included) and pod.namespace not in excluded
    return inside and matches(resource.get("labelSelector"), pod.body["metadata"].get("labels") or {})


def _listed(resource: Json, pod: Item, phase: HookPhase) -> Iterator[Hook]:
    for entry in resource.get(phase) or ():
        run = entry["exec"]
        container = run.get("container") or _first_container(pod)
        on_error, timeout = run.get("onError") or "", run.get("timeout") or "30s"
        yield Hook(resource["name"], "spec", phase, container, tuple(run["command"]), on_error, timeout)


def run_hooks(pod: Item, hooks: list[Hook], error: str, journal: RunLog, tally: Tally) -> bool:
    """Run the hooks and return whether the pod may continue. `error` is the error of every command; empty if all succeed."""
    for hook in hooks:
        tally.attempted += 1
        _told(pod, hook, journal)
        if not error:
            continue
        tally.failed += 1
        fields = {"hookPhase": hook.phase, "hookSource": hook.source, "hookType": "exec"}
        journal.error("Error executing hook", "internal/hook/item_hook_handler.go:288", error=error, **fields)
        if hook.on_error == "Fail":
            journal.error(f"Error running {hook.phase} hooks for pod", error=error, name=pod.name)
            return False
    return True


def run_restore_hooks(pods: list[Item], spec: Json, error: str, journal: RunLog, tally: Tally) -> None:
    """Run the commands after the restore, in the restored pods."""
    for resource in (spec.get("hooks") or {}).get("resources") or ():
        wanted = [entry["exec"] for entry in resource.get("postHooks") or () if "exec" in entry]
        for pod in (pod for pod in pods if wanted and _applies(resource, pod)):
            for run in wanted:
                hook = Hook(
                    resource["name"],
                    "spec",
                    "post",
                    run.get("container") or _first_container(pod),
                    tuple(run["command"]),
                    run.get("onError") or "Continue",
                    run.get("execTimeout") or "30s",
                )
                tally.attempted += 1
                _told(pod, hook, journal)
                if error:
                    tally.failed += 1
                    text = f"Hook {hook.name} in container {hook.container} failed to execute, err: {error}"
                    journal.errors.add(text, pod.namespace)


def _told(pod: Item, hook: Hook, journal: RunLog) -> None:
    fields = {
        "hookCommand": "[" + " ".join(hook.command) + "]",
        "hookContainer": hook.container,
        "hookName": hook.name,
        "hookOnError": hook.on_error or "Fail",  # Velero logs "Fail" by default, but continues.
        "hookPhase": hook.phase,
        "hookSource": hook.source,
        "hookTimeout": hook.timeout,
        "hookType": "exec",
        "name": pod.name,
        "namespace": pod.namespace,
        "resource": "pods",
    }
    journal.info("running exec hook", "pkg/podexec/pod_command_executor.go:133", **fields)
    for stream in ("stdout", "stderr"):
        journal.info(f"{stream}: ", "pkg/podexec/pod_command_executor.go:185", **fields)
