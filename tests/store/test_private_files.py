"""No one else can read the data directory, whatever the umask and previous modes are."""

import os
from contextlib import contextmanager

import pytest

from store.audit_chain import checkpoint
from store.connection import SNAPSHOT_DIRECTORY
from store.writer import Store


@contextmanager
def umask(mask: int):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(directory) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in [directory, *directory.rglob("*")]}


async def opened(directory, now) -> None:
    store = await Store.open(directory, now, reserve_bytes=10)
    checkpoint.load_key(directory)
    await store.snapshot(directory / SNAPSHOT_DIRECTORY / "one.db")
    await store.close()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
async def test_a_new_one(tmp_path, now, mask):
    data = tmp_path / "deep" / "data"
    with umask(mask):
        await opened(data, now)
    found = modes(data)
    public = found.pop(checkpoint.PUBLIC_FILE)
    assert public & 0o022 == 0
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o077} == {}


async def test_one_that_everybody_could_read_and_write(tmp_path, now):
    data = tmp_path / "data"
    with umask(0):
        await opened(data, now)
    for path in [data, *data.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    await opened(data, now)
    found = modes(data)
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o077 and name != checkpoint.PUBLIC_FILE} == {}
    assert found[checkpoint.PUBLIC_FILE] == 0o644


async def test_a_link_out_of_it_changes_nothing_outside(tmp_path, now):
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o644)
    data = tmp_path / "data"
    data.mkdir()
    (data / "link").symlink_to(outside)
    await opened(data, now)
    assert outside.stat().st_mode & 0o777 == 0o644


def test_a_link_in_the_place_of_the_key_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    (tmp_path / checkpoint.KEY_FILE).symlink_to(outside)
    with pytest.raises(FileExistsError):
        checkpoint.load_key(tmp_path)
    assert not outside.exists()
