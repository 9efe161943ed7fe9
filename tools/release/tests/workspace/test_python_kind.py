"""Python packages: where their version is, and PEP 440's way to write it."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.version import Version as PackagingVersion

from edits import bump_of, bumped, components_of, edges_of
from release.errors import FormatError, Place, VersionRefused
from release.model.component import EdgeKind
from release.workspace.kinds.python import Python
from trees import MemoryTree

PYTHON = Python()

WHOLE = """[project]
name = "Whole.Package"
version = '1.2.0rc1' # PEP 440
dependencies = [
  "moodle-core[fast] >=0.1,<0.2 ; python_version > '3.10'", # ours
  "requests==2.0",
]

[project.optional-dependencies]
all = ["Moodle_Core~=0.1.0"]
"""
FILES = {
    "pyproject.toml": "[tool.ruff]\nline-length = 110\n",
    "whole/pyproject.toml": WHOLE,
    "core/pyproject.toml": '[project]\nname = "moodle-core"\nversion = "0.1.0"\n',
}


def test_a_package_is_a_component_and_a_bare_configuration_is_none() -> None:
    components = components_of(MemoryTree(FILES), PYTHON)
    assert {name: str(one.version) for name, one in components.items()} == {
        "whole-package": "1.2.0-rc.1",
        "moodle-core": "0.1.0",
    }
    assert components["whole-package"].declared == Place("whole/pyproject.toml", 3, 11)


def test_requirements_on_packages_of_this_repository_are_edges() -> None:
    tree = MemoryTree(FILES)
    components = components_of(tree, PYTHON)
    edges = edges_of(tree, components["whole-package"], components, PYTHON)
    assert [(edge.part, edge.kind, edge.token.text, edge.requirement) for edge in edges] == [
        ("moodle-core", EdgeKind.PYTHON, ">=0.1,<0.2", ">=0.1,<0.2"),
        ("moodle-core", EdgeKind.PYTHON, "~=0.1.0", "~=0.1.0"),
    ]


def test_versions_and_requirements_are_written_as_pep_440_has_them() -> None:
    after = bumped(MemoryTree(FILES), {"moodle-core": "0.2.0", "whole-package": "1.2.0-rc.2"}, PYTHON)
    assert after.read("whole/pyproject.toml").decode() == (
        WHOLE.replace("1.2.0rc1", "1.2.0rc2").replace(">=0.1,<0.2", ">=0.1,<0.3").replace("~=0.1.0", "~=0.2.0")
    )
    assert b'version = "0.2.0"' in after.read("core/pyproject.toml")


@pytest.mark.parametrize(
    ("requirement", "new", "expected"),
    [
        (">=0.1", "0.2.0", ">=0.1"),
        (">=0.1", "0.2.0-rc.1", ">=0.2.0rc1"),
        ("==0.1.0", "0.2.0", "==0.2.0"),
        ("==0.1.*", "0.2.0", "==0.2.*"),
        ("~=0.1", "0.9.0", "~=0.1"),
        ("~=0.1", "1.0.0", "~=1.0"),
        ("<1", "1.0.0", "<2"),
        ("<=0.5", "0.6.0", "<=0.6"),
        (">=0.1, !=0.2.0", "0.2.0", ">=0.1,>=0.2.0"),
        ("(>=0.1,<0.2)", "0.2.0", "(>=0.1,<0.3)"),
    ],
)
def test_a_requirement_follows_in_its_own_style(requirement: str, new: str, expected: str) -> None:
    whole = f'[project]\nname = "whole"\nversion = "1.0.0"\ndependencies = ["moodle-core {requirement}"]\n'
    after = bumped(MemoryTree({**FILES, "whole/pyproject.toml": whole}), {"moodle-core": new}, PYTHON)
    text = after.read("whole/pyproject.toml").decode()
    assert text == whole.replace(requirement, expected)
    specifier = Requirement(f"moodle-core {expected}").specifier
    released = PackagingVersion(new.replace("-rc.", "rc"))
    assert specifier.contains(released, prereleases=released.is_prerelease)


@pytest.mark.parametrize(
    ("requirement", "new", "expected"),
    [
        ("^0.1.0", "0.2.0", "^0.2.0"),
        ("~0.1", "0.2.0", "~0.2"),
        ("0.1.0", "0.2.0", "0.2.0"),
        (">=0.1,<0.2", "0.2.0", ">=0.1,<0.3"),
        ("*", "0.2.0", "*"),
    ],
)
def test_poetrys_own_language_is_kept(requirement: str, new: str, expected: str) -> None:
    whole = (
        '[tool.poetry]\nname = "whole"\nversion = "1.0.0"\n[tool.poetry.dependencies]\n'
        f'python = "^3.11"\nmoodle-core = "{requirement}"\n'
        "[tool.poetry.group.dev.dependencies]\n"
        f'moodle_core = {{ path = "../core", version = "{requirement}" }}\n'
    )
    after = bumped(MemoryTree({**FILES, "whole/pyproject.toml": whole}), {"moodle-core": new, "whole": "1.1.0"}, PYTHON)
    assert after.read("whole/pyproject.toml").decode() == whole.replace(requirement, expected).replace(
        '"1.0.0"', '"1.1.0"'
    )


def test_a_dynamic_version_is_read_and_written_where_it_is() -> None:
    files = {
        "a/pyproject.toml": (
            '[project]\nname = "a"\ndynamic = ["version"]\n[tool.hatch.version]\npath = "src/a/__about__.py"\n'
        ),
        "a/src/a/__about__.py": '"""A."""\n\n__version__: str = "1.0.0a3"  # here\n',
        "b/pyproject.toml": (
            '[project]\nname = "b"\ndynamic = ["version"]\n'
            '[tool.setuptools.dynamic]\nversion = {attr = "b.__version__"}\n'
        ),
        "b/src/b/__init__.py": "__version__ = '2.0.0'\n",
        "c/pyproject.toml": '[project]\nname = "c"\ndynamic = ["version"]\n',
    }
    tree = MemoryTree(files)
    components = components_of(tree, PYTHON)
    assert {name: str(one.version) for name, one in components.items()} == {
        "a": "1.0.0-alpha.3",
        "b": "2.0.0",
        "c": "None",
    }
    after = bumped(tree, {"a": "1.0.0-beta.1", "b": "2.1.0"}, PYTHON)
    assert after.read("a/src/a/__about__.py").decode() == files["a/src/a/__about__.py"].replace("a3", "b1")
    assert after.read("b/src/b/__init__.py") == b"__version__ = '2.1.0'\n"
    with pytest.raises(FormatError, match="declares no version"):
        bumped(tree, {"c": "1.0.0"}, PYTHON)


def test_a_specifier_is_not_mistaken_for_its_marker() -> None:
    whole = WHOLE.replace(">=0.1,<0.2 ; python_version > '3.10'", "==3.11 ; python_version ==3.11")
    core = FILES["core/pyproject.toml"].replace("0.1.0", "3.11.0")
    tree = MemoryTree({**FILES, "whole/pyproject.toml": whole, "core/pyproject.toml": core})
    after = bumped(tree, {"moodle-core": "3.12.0"}, PYTHON).read("whole/pyproject.toml").decode()
    assert "==3.12 ; python_version ==3.11" in after


def test_a_requirement_with_escapes_is_refused() -> None:
    tree = MemoryTree({**FILES, "whole/pyproject.toml": WHOLE.replace("fast] >=", "fast]\\u0020>=")})
    with pytest.raises(FormatError, match="written with escapes"):
        bumped(tree, {"moodle-core": "0.2.0"}, PYTHON)


def test_a_channel_that_pep_440_lacks_is_refused() -> None:
    tree = MemoryTree(FILES)
    component = components_of(tree, PYTHON)["moodle-core"]
    with pytest.raises(VersionRefused, match="has no form in PEP 440"):
        list(PYTHON.write_version(tree, component, bump_of(component, "1.0.0-next.1")))


def test_a_malformed_requirement_is_refused_at_its_place() -> None:
    tree = MemoryTree({**FILES, "whole/pyproject.toml": WHOLE.replace("requests==2.0", "requests==2.0)(")})
    components = components_of(tree, PYTHON)
    with pytest.raises(FormatError, match="is no requirement") as caught:
        edges_of(tree, components["whole-package"], components, PYTHON)
    assert caught.value.where == (Place("whole/pyproject.toml", 6, 3),)
