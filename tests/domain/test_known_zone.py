"""Names of time zones come from outside: what this machine doesn't know is dropped once, at the border."""

import pytest

from domain.when import known_zone


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin"])
def test_a_zone_that_is_known_stays(name):
    assert known_zone(name) == name


@pytest.mark.parametrize("name", ["", "Mars/Base", "../etc/passwd", "\x00", "Europe", "x" * 5000])
def test_any_other_name_is_nothing(name):
    assert known_zone(name) == ""
