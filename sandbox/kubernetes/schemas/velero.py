"""The fields of Velero 1.18's kinds, in the notation of `schema`: names, types, enums, required, nullable."""

from collections.abc import Mapping

from sandbox.kubernetes.schemas.structural import Node, Shape, parse

_STRINGS = ["string"]
_SELECTOR: Shape = {
    "matchExpressions": [{"key!": "string", "operator!": "string", "values": _STRINGS}],
    "matchLabels": "{string}",
}
_NAMED: Shape = {"apiGroup": "string", "kind!": "string", "name!": "string"}
_SECRET_KEY: Shape = {"key!": "string", "name=": "string", "optional": "boolean"}
_ON_ERROR = ("Continue", "Fail")
_HOOK_SCOPE: dict[str, Shape] = {
    "excludedNamespaces?": _STRINGS,
    "excludedResources?": _STRINGS,
    "includedNamespaces?": _STRINGS,
    "includedResources?": _STRINGS,
    "labelSelector?": _SELECTOR,
    "name!": "string",
}
_BACKUP_HOOKS = [
    {"exec!": {"command!+": _STRINGS, "container": "string", "onError": _ON_ERROR, "timeout": "string"}},
]
_RESTORE_HOOKS = [
    {
        "exec": {
            "command!+": _STRINGS,
            "container": "string",
            "execTimeout": "string",
            "onError": _ON_ERROR,
            "waitForReady?": "boolean",
            "waitTimeout": "string",
        },
        "init": {"initContainers": ["any"], "timeout": "string"},
    },
]
_HOOK_STATUS: Shape = {"hooksAttempted": "integer", "hooksFailed": "integer"}
_BYTES: Shape = {"bytesDone": "int64", "totalBytes": "int64"}
_REFERENCE: Shape = dict.fromkeys(
    ("apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid"), "string"
)
_TRANSFER_PHASES = ("New", "Accepted", "Prepared", "InProgress", "Canceling", "Canceled", "Completed", "Failed")
_UPLOADERS = ("kopia", "restic", "")
_SYSTEMS = ("auto", "linux", "windows")

_BACKUP_SPEC: dict[str, Shape] = {
    "csiSnapshotTimeout": "string",
    "datamover": "string",
    "defaultVolumesToFsBackup?": "boolean",
    "defaultVolumesToRestic?": "boolean",
    "excludedClusterScopedResources?": _STRINGS,
    "excludedNamespaceScopedResources?": _STRINGS,
    "excludedNamespaces?": _STRINGS,
    "excludedResources?": _STRINGS,
    "hooks": {"resources?": [{**_HOOK_SCOPE, "pre": _BACKUP_HOOKS, "post": _BACKUP_HOOKS}]},
    "includeClusterResources?": "boolean",
    "includedClusterScopedResources?": _STRINGS,
    "includedNamespaceScopedResources?": _STRINGS,
    "includedNamespaces?": _STRINGS,
    "includedResources?": _STRINGS,
    "itemOperationTimeout": "string",
    "labelSelector?": _SELECTOR,
    "metadata": {"labels": "{string}"},
    "orLabelSelectors?": [_SELECTOR],
    "orderedResources?": "{string}",
    "resourcePolicy": _NAMED,
    "snapshotMoveData?": "boolean",
    "snapshotVolumes?": "boolean",
    "storageLocation": "string",
    "ttl": "string",
    "uploaderConfig?": {"parallelFilesUpload": "integer"},
    "volumeGroupSnapshotLabelKey": "string",
    "volumeSnapshotLocations": _STRINGS,
}
_BACKUP_STATUS: Shape = {
    "backupItemOperationsAttempted": "integer",
    "backupItemOperationsCompleted": "integer",
    "backupItemOperationsFailed": "integer",
    "completionTimestamp?": "date-time",
    "csiVolumeSnapshotsAttempted": "integer",
    "csiVolumeSnapshotsCompleted": "integer",
    "errors": "integer",
    "expiration?": "date-time",
    "failureReason": "string",
    "formatVersion": "string",
    "hookStatus?": _HOOK_STATUS,
    "phase": (
        "New",
        "Queued",
        "ReadyToStart",
        "FailedValidation",
        "InProgress",
        "WaitingForPluginOperations",
        "WaitingForPluginOperationsPartiallyFailed",
        "Finalizing",
        "FinalizingPartiallyFailed",
        "Completed",
        "PartiallyFailed",
        "Failed",
        "Deleting",
    ),
    "progress?": {"itemsBackedUp": "integer", "totalItems": "integer"},
    "queuePosition": "integer",
    "startTimestamp?": "date-time",
    "validationErrors?": _STRINGS,
    "version": "integer",
    "volumeSnapshotsAttempted": "integer",
    "volumeSnapshotsCompleted": "integer",
    "warnings": "integer",
}
_RESTORE_SPEC: Shape = {
    "backupName": "string",
    "excludedNamespaces?": _STRINGS,
    "excludedResources?": _STRINGS,
    "existingResourcePolicy?": "string",
    "hooks": {"resources": [{**_HOOK_SCOPE, "postHooks": _RESTORE_HOOKS}]},
    "includeClusterResources?": "boolean",
    "includedNamespaces?": _STRINGS,
    "includedResources?": _STRINGS,
    "itemOperationTimeout": "string",
    "labelSelector?": _SELECTOR,
    "namespaceMapping": "{string}",
    "orLabelSelectors?": [_SELECTOR],
    "preserveNodePorts?": "boolean",
    "resourceModifier?": _NAMED,
    "restorePVs?": "boolean",
    "restoreStatus?": {"excludedResources?": _STRINGS, "includedResources?": _STRINGS},
    "scheduleName": "string",
    "uploaderConfig?": {"parallelFilesDownload": "integer", "writeSparseFiles?": "boolean"},
}
_RESTORE_STATUS: Shape = {
    "completionTimestamp?": "date-time",
    "errors": "integer",
    "failureReason": "string",
    "hookStatus?": _HOOK_STATUS,
    "phase": (
        "New",
        "FailedValidation",
        "InProgress",
        "WaitingForPluginOperations",
        "WaitingForPluginOperationsPartiallyFailed",
        "Completed",
        "PartiallyFailed",
        "Failed",
        "Finalizing",
        "FinalizingPartiallyFailed",
    ),
    "progress?": {"itemsRestored": "integer", "totalItems": "integer"},
    "restoreItemOperationsAttempted": "integer",
    "restoreItemOperationsCompleted": "integer",
    "restoreItemOperationsFailed": "integer",
    "startTimestamp?": "date-time",
    "validationErrors?": _STRINGS,
    "warnings": "integer",
}
_DOWNLOADS = (
    "BackupLog",
    "BackupContents",
    "BackupVolumeSnapshots",
    "BackupItemOperations",
    "BackupResourceList",
    "BackupResults",
    "RestoreLog",
    "RestoreResults",
    "RestoreResourceList",
    "RestoreItemOperations",
    "CSIBackupVolumeSnapshots",
    "CSIBackupVolumeSnapshotContents",
    "BackupVolumeInfos",
    "RestoreVolumeInfo",
)
_TRANSFER_STATUS: dict[str, Shape] = {
    "acceptedTimestamp?": "date-time",
    "completionTimestamp?": "date-time",
    "message": "string",
    "phase": _TRANSFER_PHASES,
    "progress": _BYTES,
    "startTimestamp?": "date-time",
}
_UPLOAD_STATUS: dict[str, Shape] = {
    **_TRANSFER_STATUS,
    "incrementalBytes": "int64",
    "path": "string",
    "snapshotID": "string",
}
_NODE_STATUS: dict[str, Shape] = {"acceptedByNode": "string", "node": "string"}
_POD_VOLUME: dict[str, Shape] = {
    "backupStorageLocation!": "string",
    "cancel": "boolean",
    "pod!": _REFERENCE,
    "repoIdentifier!": "string",
    "uploaderSettings?": "{string}",
    "uploaderType": _UPLOADERS,
    "volume!": "string",
}
_DATA_MOVE: dict[str, Shape] = {
    "backupStorageLocation!": "string",
    "cancel": "boolean",
    "datamover": "string",
    "operationTimeout!": "string",
    "sourceNamespace!": "string",
}

_SPECS: Mapping[tuple[str, str, str], tuple[Shape, Shape]] = {
    ("v1", "backups", "Backup"): (_BACKUP_SPEC, _BACKUP_STATUS),
    ("v1", "restores", "Restore"): (_RESTORE_SPEC, _RESTORE_STATUS),
    ("v1", "schedules", "Schedule"): (
        {
            "paused": "boolean",
            "schedule!": "string",
            "skipImmediately": "boolean",
            "template!": _BACKUP_SPEC,
            "useOwnerReferencesInBackup?": "boolean",
        },
        {
            "lastBackup?": "date-time",
            "lastSkipped?": "date-time",
            "phase": ("New", "Enabled", "FailedValidation"),
            "validationErrors": _STRINGS,
        },
    ),
    ("v1", "backupstoragelocations", "BackupStorageLocation"): (
        {
            "accessMode": ("ReadOnly", "ReadWrite"),
            "backupSyncPeriod?": "string",
            "config": "{string}",
            "credential": _SECRET_KEY,
            "default": "boolean",
            "objectStorage!": {
                "bucket!": "string",
                "caCert": "byte",
                "caCertRef": _SECRET_KEY,
                "prefix": "string",
            },
            "provider!": "string",
            "validationFrequency?": "string",
        },
        {
            "accessMode": ("ReadOnly", "ReadWrite"),
            "lastSyncedRevision": "string",
            "lastSyncedTime?": "date-time",
            "lastValidationTime?": "date-time",
            "message": "string",
            "phase": ("Available", "Unavailable"),
        },
    ),
    ("v1", "volumesnapshotlocations", "VolumeSnapshotLocation"): (
        {"config": "{string}", "credential": _SECRET_KEY, "provider!": "string"},
        {"phase": ("Available", "Unavailable")},
    ),
    ("v1", "backuprepositories", "BackupRepository"): (
        {
            "backupStorageLocation!": "string",
            "maintenanceFrequency!": "string",
            "repositoryConfig?": "{string}",
            "repositoryType": _UPLOADERS,
            "resticIdentifier": "string",
            "volumeNamespace!": "string",
        },
        {
            "lastMaintenanceTime?": "date-time",
            "message": "string",
            "phase": ("New", "Ready", "NotReady"),
            "recentMaintenance": [
                {
                    "completeTimestamp?": "date-time",
                    "message": "string",
                    "result": ("Succeeded", "Failed"),
                    "startTimestamp?": "date-time",
                }
            ],
        },
    ),
    ("v1", "deletebackuprequests", "DeleteBackupRequest"): (
        {"backupName!": "string"},
        {"errors?": _STRINGS, "phase": ("New", "InProgress", "Processed")},
    ),
    ("v1", "downloadrequests", "DownloadRequest"): (
        {"target!": {"kind!": _DOWNLOADS, "name!": "string"}},
        {"downloadURL": "string", "expiration?": "date-time", "phase": ("New", "Processed")},
    ),
    ("v1", "serverstatusrequests", "ServerStatusRequest"): (
        {},
        {
            "phase": ("New", "Processed"),
            "plugins?": [{"kind!": "string", "name!": "string"}],
            "processedTimestamp?": "date-time",
            "serverVersion": "string",
        },
    ),
    ("v1", "podvolumebackups", "PodVolumeBackup"): (
        {**_POD_VOLUME, "node!": "string", "tags": "{string}"},
        _UPLOAD_STATUS,
    ),
    ("v1", "podvolumerestores", "PodVolumeRestore"): (
        {**_POD_VOLUME, "snapshotID!": "string", "snapshotSize": "int64", "sourceNamespace!": "string"},
        {**_TRANSFER_STATUS, "node": "string"},
    ),
    ("v2alpha1", "datauploads", "DataUpload"): (
        {
            **_DATA_MOVE,
            "csiSnapshot?": {
                "driver": "string",
                "snapshotClass": "string",
                "storageClass!": "string",
                "volumeSnapshot!": "string",
            },
            "dataMoverConfig?": "{string}",
            "snapshotType!": "string",
            "sourcePVC!": "string",
        },
        {**_UPLOAD_STATUS, **_NODE_STATUS, "dataMoverResult?": "{string}", "nodeOS": _SYSTEMS},
    ),
    ("v2alpha1", "datadownloads", "DataDownload"): (
        {
            **_DATA_MOVE,
            "dataMoverConfig": "{string}",
            "nodeOS": _SYSTEMS,
            "snapshotID!": "string",
            "snapshotSize": "int64",
            "targetVolume!": {"namespace!": "string", "pv!": "string", "pvc!": "string"},
        },
        {**_TRANSFER_STATUS, **_NODE_STATUS},
    ),
}

SCHEMAS: Mapping[tuple[str, str, str], Node] = {
    names: parse({"spec": spec, "status": status}) for names, (spec, status) in _SPECS.items()
}
