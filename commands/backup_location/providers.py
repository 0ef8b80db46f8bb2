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
    "AWS S3, or anything that speaks S3",
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
    note="For S3-compatible stores: region, s3Url and s3ForcePathStyle=true. A bucket policy that demands an encryption header is refused by file-system backups.",
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
    note="The directory must be writable by 1001:1001.",
    local=True,
)
_HOST_PATH = Provider(
    "A path on the host (local volume provider)",
    ("path", "resticRepoPrefix"),
    needed=("path",),
    note="The directory must be writable by 1001:1001, and the same on every node.",
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
