"""Laws of requirements: what follows a version accepts it, and what accepts it already stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from release.formats.cargo_requirement import cargo_requirement_for
from release.formats.helm_requirement import helm_requirement_accepts, helm_requirement_for
from release.formats.pyproject_toml import from_pep440, to_pep440
from release.formats.python_requirement import python_requirement_for
from release.model.version import Version

NUMBERS = st.integers(0, 3)
PRE = st.one_of(st.none(), st.builds("{}.{}".format, st.sampled_from(["alpha", "beta", "rc"]), st.integers(0, 11)))
VERSIONS = st.builds(Version, NUMBERS, NUMBERS, NUMBERS, PRE)
PARTIAL = st.one_of(
    st.lists(NUMBERS, min_size=1, max_size=3).map(lambda numbers: ".".join(map(str, numbers))), VERSIONS.map(str)
)


def joined(operators: list[str], separators: list[str], versions: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one = st.builds("{}{}{}".format, st.sampled_from(operators), st.sampled_from(["", " "]), versions)
    return st.builds(
        lambda parts, separator: separator.join(parts),
        st.lists(one, min_size=1, max_size=3),
        st.sampled_from(separators),
    )


CARGO = st.one_of(
    joined(["", "^", "~", "=", ">=", "<=", ">", "<"], [",", ", "], PARTIAL), st.sampled_from(["*", "1.*", "0.1.*"])
)
HELM = st.one_of(
    joined(["", "^", "~", "=", ">=", "<=", ">", "<", "!="], [" ", ", ", " || "], PARTIAL),
    st.sampled_from(["*", "1.x", "0.1.*", "1.0 - 2.1"]),
)
PYTHON = joined(
    ["==", "~=", ">=", "<=", ">", "<", "!="],
    [",", ", "],
    st.one_of(st.sampled_from(["1.0", "0.2", "2.1.0"]), VERSIONS.map(to_pep440)),
)


@given(CARGO, VERSIONS)
def test_a_cargo_requirement_accepts_the_version_that_it_follows(requirement: str, version: Version) -> None:
    new = cargo_requirement_for(requirement, version)
    assert cargo_requirement_for(new, version) == new


@given(HELM, VERSIONS)
def test_a_helm_range_accepts_the_version_that_it_follows(requirement: str, version: Version) -> None:
    new = helm_requirement_for(requirement, version)
    assert helm_requirement_accepts(new, version)
    assert (new == requirement) == helm_requirement_accepts(requirement, version)
    assert helm_requirement_for(new, version) == new


@given(PYTHON, VERSIONS)
def test_a_python_requirement_accepts_the_version_that_it_follows(requirement: str, version: Version) -> None:
    new = python_requirement_for(requirement, version)
    assert SpecifierSet(new).contains(to_pep440(version), prereleases=bool(SpecifierSet(new).prereleases))
    assert python_requirement_for(new, version) == new


@given(VERSIONS)
def test_a_version_survives_pep_440(version: Version) -> None:
    assert from_pep440(to_pep440(version)) == version


@given(VERSIONS, VERSIONS)
def test_pep_440_orders_versions_as_semver_does(one: Version, other: Version) -> None:
    from packaging.version import Version as PackagingVersion

    assert (one < other) == (PackagingVersion(to_pep440(one)) < PackagingVersion(to_pep440(other)))


@pytest.mark.parametrize("text", ["1.0.post1", "1.0.dev2", "1!1.0", "1.2.3.4", "what", ""])
def test_what_semver_has_no_form_for_is_none(text: str) -> None:
    assert from_pep440(text) is None


@given(
    st.from_regex(
        r"v?[0-9]{1,2}(\.[0-9]{1,2}){0,2}([-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?[0-9]?)?", fullmatch=True
    )
)
def test_each_spelling_of_a_version_means_what_packaging_says(text: str) -> None:
    from packaging.version import Version as PackagingVersion

    version = from_pep440(text)
    assert version is not None
    assert PackagingVersion(to_pep440(version)) == PackagingVersion(text)
