"""The archive of a backup: read in one pass, refused if hostile."""

import gzip
import io
import json
import tarfile
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import DownloadError
from tests.velero.conftest import RECORDINGS
from velero.artifacts.archive import ArchiveLimits
from velero.artifacts.contents import StoredObject, stored_objects
from velero.artifacts.downloads import ARCHIVE_LIMITS
from velero.artifacts.unpacking import UnpackLimits


def packed(*members: tuple[str, bytes], format_: int = tarfile.PAX_FORMAT) -> io.BytesIO:
    return shaped(*((named(name, len(body)), body) for name, body in members), format_=format_)


def named(name: str, size: int, type_: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, type_, link
    return info


def shaped(*members: tuple[tarfile.TarInfo, bytes], format_: int = tarfile.PAX_FORMAT) -> io.BytesIO:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz", format=format_) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    body.seek(0)
    return body


def config_map(name: str, **data: str) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}).encode()


def read(body: io.BytesIO, caps: UnpackLimits | None = None, limits: ArchiveLimits | None = None) -> list[StoredObject]:
    return list(stored_objects(body, caps or UnpackLimits(), limits))


ONE = "resources/configmaps/namespaces/shop/one.json"


def test_each_object_once():
    versioned = "resources/configmaps/v1-preferredversion/namespaces/shop/one.json"
    body = packed(("metadata/version", b"1.1.0\n"), (ONE, config_map("one")), (versioned, config_map("one")))
    [stored] = read(body)
    assert (stored.resource, stored.namespace, stored.name) == ("configmaps", "shop", "one")
    assert (stored.api_version, stored.kind) == ("v1", "ConfigMap")


def test_cluster_scoped_objects():
    [stored] = read(packed(("resources/persistentvolumes/cluster/pv-1.json", b'{"kind": "PersistentVolume"}')))
    assert (stored.resource, stored.namespace, stored.name, stored.kind) == (
        "persistentvolumes",
        "",
        "pv-1",
        "PersistentVolume",
    )


def test_entries_of_a_real_backup():
    folder = RECORDINGS / "artifacts" / "wp-plain"
    members = [
        (path.name.removeprefix("member__").replace("__", "/"), path.read_bytes())
        for path in sorted(folder.glob("member__*"))
    ]
    kinds = sorted(stored.kind for stored in read(packed(*members)))
    assert kinds == [
        "Deployment",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Service",
        "Theme",
        "VolumeSnapshotContent",
    ]


@pytest.mark.parametrize("format_", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names(format_):
    name = f"resources/{'things.' * 20}example.com/namespaces/{'n' * 63}/{'o' * 200}.json"
    [stored] = read(packed((name, b"{}"), format_=format_))
    assert stored.name == "o" * 200


def test_long_names_of_old_tars():
    name = f"resources/{'r' * 90}/namespaces/{'n' * 40}/{'o' * 60}.json"
    [stored] = read(packed((name, b"{}"), format_=tarfile.USTAR_FORMAT))
    assert stored.name == "o" * 60


HOSTILE = {
    "up": packed(("resources/../../etc/cron.d/x", b"x")),
    "absolute": packed(("/etc/passwd", b"x")),
    "backslash": packed(("resources\\..\\x", b"x")),
    "up by a long name": packed((f"resources/{'a' * 200}/../../x", b"x")),
    "symbolic link": shaped((named(ONE, 0, tarfile.SYMTYPE, "/etc/passwd"), b"")),
    "hard link": shaped((named(ONE, 0, tarfile.LNKTYPE, "/etc/passwd"), b"")),
    "device": shaped((named(ONE, 0, tarfile.CHRTYPE), b"")),
    "pipe": shaped((named(ONE, 0, tarfile.FIFOTYPE), b"")),
    "not JSON": packed((ONE, b"<html>")),
    "a list": packed((ONE, b"[]")),
    "deep": packed((ONE, b"[" * 100_000)),
    "no tar": io.BytesIO(gzip.compress(b"x" * 1024)),
    "no gzip": io.BytesIO(b"\x1f\x8bxxxxxxxxxxxx"),
    "a page": io.BytesIO(b"<html>" * 200),
    "half": io.BytesIO(packed((ONE, config_map("one", a="x" * 9999))).getvalue()[:90]),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives_are_refused(body):
    with pytest.raises(DownloadError):
        read(body)


def test_a_bomb():
    with pytest.raises(DownloadError) as caught:
        read(packed((ONE, b" " * 60_000_000)))
    assert caught.value.why == "an entry has 57.2 MiB; the limit is 8 MiB"


def test_a_bomb_in_a_skipped_entry():
    with pytest.raises(DownloadError) as caught:
        read(packed(("metadata/version", b"\0" * 60_000_000)))
    assert "times its size" in caught.value.why


def test_a_huge_entry():
    body = packed((ONE, config_map("one", a="x" * 5000)))
    with pytest.raises(DownloadError):
        read(body, limits=ArchiveLimits(member=4000))


def test_a_name_of_a_megabyte_is_never_read():
    name = named("x" * 1_000_000, 0)
    with pytest.raises(DownloadError):
        read(shaped((name, b"")))


def test_too_many_entries():
    with pytest.raises(DownloadError):
        read(packed(*((f"metadata/{n}", b"") for n in range(11))), limits=ArchiveLimits(members=10))


def test_an_entry_with_two_sizes():
    info = named(ONE, 2)
    info.pax_headers = {"size": "99999999"}
    with pytest.raises(DownloadError):
        read(shaped((info, b"{}")))


@settings(max_examples=200)
@given(st.integers(0, 1535), st.integers(0, 255))
def test_one_wrong_byte_is_refused_or_changes_nothing_else(at, value):
    raw = bytearray(gzip.decompress(packed((ONE, config_map("one"))).getvalue()))
    raw[at] = value
    try:
        found = read(io.BytesIO(gzip.compress(bytes(raw))))
    except DownloadError:
        return
    assert all(".." not in stored.name and "/" not in stored.name for stored in found)


def test_fifty_megabytes_within_five_seconds_and_a_hundred_megabytes():
    """Twelve thousand objects, each twice, as Velero writes them."""
    body = config_map("one", **{f"k{n}": f"{n * 7919:x}" * 12 for n in range(20)})
    members = [
        (f"resources/configmaps/{version}namespaces/shop/c{n}.json", body)
        for n in range(50_000_000 // (2 * (len(body) + 1024)))
        for version in ("", "v1-preferredversion/")
    ]
    archive = packed(*members)
    began = time.process_time()
    count = sum(1 for _ in stored_objects(archive, ARCHIVE_LIMITS))
    took = time.process_time() - began
    assert count == len(members) // 2
    assert took < 5

    archive.seek(0)
    tracemalloc.start()
    for at, _ in enumerate(stored_objects(archive, ARCHIVE_LIMITS)):
        if at > 2000:
            break
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 << 20
