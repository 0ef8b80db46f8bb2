"""The known providers of object stores, and the settings that their plugins accept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """`keys` are all settings, `required` those without which nothing works, `recommended` the usual ones.

    `local` marks a volume that acts as an object store.
    """

    title: str
    keys: tuple[str, ...]
    required: tuple[str, ...] = ()
    recommended: tuple[str, ...] = ()
    note: str = ""
    local: bool = False


_AWS = Provider(
    "AWS S3 or S3-compatible",
    (
        "region",
        "s3ForcePathStyle",
        "s3Url",
        "publicUrl",
        "serverSideEncryption",
        "kmsKeyId",
        "customerKeyEncryptionFile",
        "customerKeyEncryptionSecret",
        "signatureVersion",
        "credentialsFile",
        "profile",
        "insecureSkipTLSVerify",
        "enableSharedConfig",
        "tagging",
        "checksumAlgorithm",
        "resticRepoPrefix",
    ),
    recommended=("region",),
    note="S3-compatible stores need region, s3Url and s3ForcePathStyle=true. A bucket policy that requires an encryption header blocks file-system backups.",
)
_GCP = Provider("Google Cloud Storage", ("kmsKeyName", "serviceAccount", "credentialsFile", "resticRepoPrefix"))
_AZURE = Provider(
    "Azure Blob Storage",
    (
        "resourceGroup",
        "storageAccount",
        "storageAccountKeyEnvVar",
        "storageAccountURI",
        "subscriptionId",
        "blockSizeInBytes",
        "useAAD",
        "activeDirectoryAuthorityURI",
        "credentialsFile",
        "resticRepoPrefix",
    ),
    required=("storageAccount",),
    recommended=("resourceGroup",),
)
_NFS = Provider(
    "NFS (local volume provider)",
    ("path", "server", "resticRepoPrefix"),
    required=("path", "server"),
    note="User and group 1001 need write access to the directory.",
    local=True,
)
_HOST_PATH = Provider(
    "Host path (local volume provider)",
    ("path", "resticRepoPrefix"),
    required=("path",),
    note="User and group 1001 need write access to the directory, and every node must see the same files there.",
    local=True,
)

PROVIDERS = {
    "aws": _AWS,
    "gcp": _GCP,
    "azure": _AZURE,
    "replicated.com/nfs": _NFS,
    "replicated.com/hostpath": _HOST_PATH,
}


def find_provider(provider: str) -> Provider | None:
    """Return the provider; Velero accepts its name with and without the prefix `velero.io/`."""
    return PROVIDERS.get(provider.removeprefix("velero.io/"))
