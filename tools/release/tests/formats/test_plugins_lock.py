"""``plugins.lock``: what is written is read back, and each mistake is an error with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.errors import FormatError, Place
from release.formats.plugins_lock import LockedPlugin, parse, render

GOOD = """\
version: 1
plugins:
  - name: mod_poll
    version: 2026010100
    url: https://example.com/poll.zip
    sha256: 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
"""

_PLUGINS = st.lists(
    st.builds(
        LockedPlugin,
        st.from_regex(r"(?:local|block)_[a-z][a-z0-9]{1,6}", fullmatch=True),
        st.integers(2010000000, 2099123199),
        st.from_regex(r"https://[a-z]{1,8}\.org/[A-Za-z0-9%?&=#:~_.-]{0,12}\.zip", fullmatch=True),
        st.from_regex("[0-9a-f]{64}", fullmatch=True),
        st.just(Place("plugins.lock")),
    ),
    max_size=5,
    unique_by=lambda one: one.name,
)


@given(_PLUGINS)
def test_what_is_written_is_read_back_sorted(plugins: list[LockedPlugin]) -> None:
    found = parse(render(plugins), "plugins.lock")
    facts = [(one.name, one.version, one.url, one.sha256) for one in found]
    assert facts == sorted((one.name, one.version, one.url, one.sha256) for one in plugins)
    assert render(found) == render(plugins)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("version: 1\n", "", 0, "the version of the format is not 1"),
        ("version: 1\n", "version: 2\n", 1, "the version of the format is not 1"),
        ("plugins:", "more: x\nplugins:", 2, "unknown key 'more'"),
        ("    version: 2026010100\n", "", 3, "version is missing"),
        ("    version: 2026010100\n", "    version: 1.2.3\n", 4, "the version of mod_poll is '1.2.3'"),
        ("https://", "http://", 5, "the url of mod_poll is"),
        ("5891b5b5", "5891B5B5", 6, "the sha256 of mod_poll is"),
        ("mod_poll", "mod_my_poll", 3, "is no name of a plugin"),
        ("    sha256", "    note: x\n    sha256", 6, "unknown key 'note'"),
    ],
)
def test_a_mistake_is_an_error_with_its_place(old: str, new: str, line: int, said: str) -> None:
    assert old in GOOD
    with pytest.raises(FormatError) as raised:
        parse(GOOD.replace(old, new, 1).encode(), "plugins.lock")
    assert said in raised.value.what
    assert raised.value.where[0].line == line


def test_a_plugin_that_is_there_twice_is_an_error() -> None:
    twice = GOOD + GOOD.partition("plugins:\n")[2]
    with pytest.raises(FormatError, match="mod_poll is there twice"):
        parse(twice.encode(), "plugins.lock")
