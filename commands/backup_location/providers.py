"""Providers of object stores and what their plugins want to be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """`needed`: nothing works without; `wanted`: usual; `local`: a volume that poses as an object store."""

    title: str
    keys: tuple[str, ...]
    needed: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
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
    wanted=("region",),
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
    needed=("storageAccount",),
    wanted=("resourceGroup",),
)
_NFS = Provider(
    "NFS (local volume provider)",
    ("path", "server", "resticRepoPrefix"),
    needed=("path", "server"),
    note="User and group 1001 need write access to the directory.",
    local=True,
)
_HOST_PATH = Provider(
    "Host path (local volume provider)",
    ("path", "resticRepoPrefix"),
    needed=("path",),
    note="User and group 1001 need write access to the directory, and every node must have the same one.",
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
    """Velero takes them with its own prefix as well."""
    return PROVIDERS.get(provider.removeprefix("velero.io/"))
