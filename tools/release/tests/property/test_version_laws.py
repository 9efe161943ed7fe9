"""Laws of versions: SemVer's order, versions only rise, and Cargo's rule of compatibility."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from release.errors import VersionRefused
from release.formats.cargo_requirement import cargo_requirement_for
from release.model.version import Level, Version, ZeroPolicy, next_version, parse_version

NUMBERS = st.integers(0, 12)
IDENTIFIERS = st.one_of(
    st.integers(0, 30).map(str),
    st.sampled_from(["alpha", "beta", "rc", "a-b", "0a", "-", "A", "rc1"]),
)
PRERELEASES = st.lists(IDENTIFIERS, min_size=1, max_size=3).map(".".join)
VERSIONS = st.builds(Version, NUMBERS, NUMBERS, NUMBERS, st.none() | PRERELEASES)
FINALS = st.builds(Version, NUMBERS, NUMBERS, NUMBERS)
LEVELS = st.sampled_from([Level.PATCH, Level.MINOR, Level.MAJOR])
POLICIES = st.sampled_from(ZeroPolicy)
CHANNELS = st.sampled_from(["alpha", "beta", "rc"])


def accepts(requirement: Version, version: Version) -> bool:
    return cargo_requirement_for(str(requirement), version) == str(requirement)


def test_versions_are_ordered_as_the_specification_lists_them() -> None:
    listed = [
        *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"),
        *("1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1"),
    ]
    assert all(parse_version(low) < parse_version(high) for low, high in pairwise(listed))


@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_total_and_transitive(one: Version, two: Version, three: Version) -> None:
    assert (one < two) + (one == two) + (one > two) == 1
    low, middle, high = sorted([one, two, three])
    assert low <= middle <= high
    assert low <= high


@given(VERSIONS)
def test_a_version_reads_back_as_itself_and_a_pre_release_is_below_its_final(version: Version) -> None:
    assert str(parse_version(str(version))) == str(version)
    assert version <= version.finalize_version()
    assert (version < version.finalize_version()) == bool(version.prerelease)


@given(VERSIONS, st.sampled_from(["build", "5.x", "001"]))
def test_build_metadata_does_not_order(version: Version, build: str) -> None:
    assert version.replace(build=build) == version


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.2", "v1.2.3", "1.2.3 ", "1.2.3\n", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "1.2.3+"),
        *("1.2.3.4", "\u0661.2.3", "1.2.3-é", "1.2.3-rc_1", "-1.2.3", "1,2,3"),
    ],
)
def test_what_is_no_semantic_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a|not valid"):
        parse_version(text)


@given(VERSIONS, LEVELS, POLICIES, st.none() | CHANNELS, st.data())
def test_the_next_version_is_above_the_last_and_of_the_channel_asked_for(
    last: Version, level: Level, zero: ZeroPolicy, pre: str | None, data: st.DataObject
) -> None:
    """``last`` is the last final version itself, or a pre-release after that or after none."""
    before = [final for final in (last.replace(prerelease=None, patch=0), Version(0)) if final < last]
    final = data.draw(st.sampled_from([None, *before])) if last.prerelease else last
    try:
        version = next_version(last, final, level, zero=zero, pre=pre)
    except VersionRefused:
        assert pre is not None
        assert last.prerelease
        return
    assert version > last
    assert version.build is None
    assert (version.prerelease or "").rpartition(".")[0] == (pre or "")


@given(FINALS, LEVELS, POLICIES)
def test_a_higher_level_never_gives_a_lower_version(last: Version, level: Level, zero: ZeroPolicy) -> None:
    versions = [next_version(last, last, one, zero=zero) for one in (Level.PATCH, Level.MINOR, Level.MAJOR)]
    assert versions == sorted(versions)
    assert versions[0] == last.bump_patch()
    assert next_version(last, last, level, zero=ZeroPolicy.SEMVER) in (
        last.bump_major(),
        last.bump_minor(),
        last.bump_patch(),
    )


@given(st.builds(Version, st.just(0), NUMBERS, NUMBERS), LEVELS, POLICIES)
def test_below_one_only_the_semver_policy_reaches_one(last: Version, level: Level, zero: ZeroPolicy) -> None:
    version = next_version(last, last, level, zero=zero)
    assert (version.major == 1) == (zero is ZeroPolicy.SEMVER and level is Level.MAJOR)


@given(FINALS, LEVELS)
def test_under_cargos_policy_a_breaking_change_and_it_alone_is_incompatible(last: Version, level: Level) -> None:
    assume(last > parse_version("0.0.0"))
    version = next_version(last, last, level, zero=ZeroPolicy.CARGO)
    in_the_zeros = (last.major, last.minor) == (0, 0)
    assert accepts(last, version) == (level is not Level.MAJOR and not in_the_zeros)


@given(FINALS, LEVELS, POLICIES, st.lists(st.sampled_from(["rc", None]), max_size=5))
def test_candidates_count_up_and_end_in_the_final_that_a_plain_release_would_be(
    last: Version, level: Level, zero: ZeroPolicy, steps: list[str | None]
) -> None:
    target = next_version(last, last, level, zero=zero)
    version = last
    for number in range(1, len(steps) + 1):
        version = next_version(version, last, level, zero=zero, pre="rc")
        assert version == target.replace(prerelease=f"rc.{number}")
    assert next_version(version, last, level, zero=zero) == target


@given(VERSIONS, VERSIONS)
@example(parse_version("0.0.3"), parse_version("0.0.4"))
@example(parse_version("0.2.3"), parse_version("0.2.9"))
@example(parse_version("1.2.3"), parse_version("2.0.0-rc.1"))
def test_a_plain_requirement_is_cargos_caret_rule(requirement: Version, version: Version) -> None:
    """The upper bound raises the leftmost part that is not zero; a pre-release fits only those of the same final."""
    parts = (requirement.major, requirement.minor, requirement.patch)
    first = next((i for i, part in enumerate(parts) if part), 2)
    upper = Version(*[part + 1 if i == first else part if i < first else 0 for i, part in enumerate(parts)])
    expected = requirement <= version < upper
    if version.prerelease:
        expected &= bool(requirement.prerelease) and version.finalize_version() == requirement.finalize_version()
    assert accepts(requirement, version) == expected
