"""The texts of the project avoid the wording in `tests/wording.py`."""

from tests.wording import Hit, search_all, search_text


def test_a_phrase_is_found_with_its_place():
    assert list(search_text("page.md", 7, "Fine.\nNobody lies in wait.")) == [
        Hit("page.md", 8, "nobody", "Nobody lies in wait."),
        Hit("page.md", 8, "lies in", "Nobody lies in wait."),
    ]
    assert list(search_text("page.md", 1, "It is no longer used.")) == []


def test_wording():
    assert search_all() == []
