"""Components of one tree together: names, order, cycles."""

from __future__ import annotations

import pytest

from release.errors import ConfigError, WorkspaceError
from release.workspace.config import ComponentConfig, Config
from release.workspace.discover import Workspace, discover
from scratch import chart, crate, image, plugin, workspace_toml
from trees import MemoryTree

VALUES = "image:\n  repository: example.org/moodle\n  tag: 1.0.0\n"


def found(files: dict[str, str], config: Config | None = None) -> Workspace:
    return discover(MemoryTree(files), config or Config())


def test_an_image_and_a_chart_of_one_name_are_two_components_with_the_kind_before_the_name() -> None:
    workspace = found(
        {
            "images/moodle/image.yaml": image("moodle", further="contains:\n  plugins: [local_alpha]\n"),
            "charts/moodle/Chart.yaml": chart("moodle"),
            "charts/moodle/values.yaml": VALUES,
            "plugins/local_alpha/version.php": plugin("local_alpha", 2026010100, "1.0.0"),
        }
    )
    assert list(workspace.components) == ["local_alpha", "image-moodle", "chart-moodle"]
    assert {(edge.part, edge.whole) for edge in workspace.edges} == {
        ("local_alpha", "image-moodle"),
        ("image-moodle", "chart-moodle"),
    }


def test_two_components_of_one_kind_and_name_are_refused_with_both_places() -> None:
    with pytest.raises(WorkspaceError, match="two components are called moodle") as caught:
        found({"images/a/image.yaml": image("moodle"), "images/b/image.yaml": image("moodle")})
    assert [place.path for place in caught.value.where] == ["images/a/image.yaml", "images/b/image.yaml"]


def test_parts_come_before_wholes_whatever_their_names() -> None:
    workspace = found(
        {
            "Cargo.toml": workspace_toml("crates/*"),
            "crates/a/Cargo.toml": crate("a", further='[dependencies]\nz = { path = "../z", version = "0.1.0" }\n'),
            "crates/z/Cargo.toml": crate("z"),
        }
    )
    assert list(workspace.components) == ["z", "a"]


def test_a_cycle_is_refused_naming_it_and_where_each_edge_stands() -> None:
    with pytest.raises(WorkspaceError, match=r"a → z → a|z → a → z") as caught:
        found(
            {
                "crates/a/Cargo.toml": crate("a", further='[dependencies]\nz = { path = "../z" }\n'),
                "crates/z/Cargo.toml": crate("z", further='[dependencies]\na = { path = "../a" }\n'),
            }
        )
    assert {place.path for place in caught.value.where} == {"crates/a/Cargo.toml", "crates/z/Cargo.toml"}


def test_development_dependencies_may_form_a_cycle_as_in_cargo() -> None:
    workspace = found(
        {
            "crates/a/Cargo.toml": crate("a", further='[dependencies]\nz = { path = "../z" }\n'),
            "crates/z/Cargo.toml": crate("z", further='[dev-dependencies]\na = { path = "../a" }\n'),
        }
    )
    assert list(workspace.components) == ["z", "a"]


def test_a_configured_component_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="configures nobody"):
        found({"crates/a/Cargo.toml": crate("a")}, Config(components={"nobody": ComponentConfig()}))


def test_ignored_folders_hold_no_components() -> None:
    files = {"crates/a/Cargo.toml": crate("a"), "vendor/b/Cargo.toml": crate("b")}
    assert list(found(files, Config(ignore=("vendor/",))).components) == ["a"]


def test_a_chain_of_dependencies_longer_than_python_recurses_is_put_in_order() -> None:
    last = 1500
    workspace = found(
        {
            f"crates/c{i:04}/Cargo.toml": crate(
                f"c{i:04}", further=f'[dependencies]\nc{i + 1:04} = {{ path = "../c{i + 1:04}" }}\n' if i < last else ""
            )
            for i in range(last + 1)
        }
    )
    assert list(workspace.components) == [f"c{i:04}" for i in range(last, -1, -1)]
