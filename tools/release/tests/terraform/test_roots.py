"""Which folders a root is made of, and which roots a change concerns."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra import Infra
from release.errors import ConfigError, FormatError
from release.terraform.roots import affected_roots, check_roots, inputs
from release.workspace.config import load
from trees import MemoryTree

TREE = MemoryTree(
    {
        "infra/site/main.tf": 'module "net" {\n  source = "../modules/net" # the network\n}\n',
        "infra/site/more.tf.json": json.dumps({"module": [{"db": {"source": "./db"}}, {"far": [{"source": "a/b/c"}]}]}),
        "infra/site/db/main.tf": (
            '/* up */ module up { source = "../../modules/log" }\nmodule "web" {\n  source = "x/y/z"\n}\n'
        ),
        "infra/site/dev.tfvars": "",
        "infra/site/prod.tfvars": "",
        "infra/modules/net/main.tf": 'module "log" {\n  source = "../log"\n}\n',
        "infra/modules/log/main.tf": '/* module "no" { source = "./nowhere" } */\nlocals {\n  a = "module"\n}\n',
        "infra/modules/other/main.tf": "",
        "infra/empty/main.tf": 'locals {\n  text = <<-EOT\n    module "x" {\n      source = "./not"\n  EOT\n}\n',
        "main.tf": 'module "net" {\n  source = "./infra/modules/net"\n}\n',
    }
)


def test_a_root_is_made_of_itself_and_every_local_module_it_reaches() -> None:
    assert inputs(TREE, "infra/site") == {"infra/site", "infra/site/db", "infra/modules/net", "infra/modules/log"}
    assert inputs(TREE, "infra/empty") == {"infra/empty"}
    assert inputs(TREE, "") == {"", "infra/modules/net", "infra/modules/log"}


def test_what_is_no_configuration_is_not_read() -> None:
    tree = MemoryTree(
        {"r/main.tf": "", "r/.hidden.tf": "module {{{", "r/main.tf~": "module {{{", "r/a.txt": "module {"}
    )
    assert inputs(tree, "r") == {"r"}


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("main.tf", '\nmodule "a" {\n  source = \n}\n', "r/main.tf:3:12"),
        ("main.tf", b'\nmodule "a" {\n  source = "\xff"\n}\n', "r/main.tf:3"),
        ("main.tf.json", '{\n  "module": {,}\n}', "r/main.tf.json:2:14"),
        ("main.tf", 'module "a" {\n  source = "./gone"\n}\n', "r/main.tf:2:12"),
        ("main.tf", 'module "a" {\n  source = "../../out"\n}\n', "r/main.tf:2:12"),
    ],
)
def test_a_file_that_can_not_be_read_and_a_source_that_leads_nowhere_are_named(
    name: str, content: str | bytes, place: str
) -> None:
    with pytest.raises(FormatError) as caught:
        inputs(MemoryTree({f"r/{name}": content}), "r")
    assert [str(one) for one in caught.value.where] == [place]


def _config(roots: str, further: str = "") -> bytes:
    return (
        "environments:\n  dev: {}\n  prod: {}\n"
        f"terraform:\n  version: 1.11.4\n  store: s3://plans\n  roots:\n{roots}{further}"
    ).encode()


SITE = "    - path: infra/site\n      environments: [dev, prod]\n"
BOTH = _config(SITE + "    - path: infra/empty/\n      environments: [prod]\n", 'everything: ["/tools/"]\n')


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["README.md", "infra/modules/other/main.tf", "infra/sites/main.tf"], []),
        (["infra/site/main.tf"], [("infra/site", "dev"), ("infra/site", "prod")]),
        (["infra/modules/log/templates/a.tpl"], [("infra/site", "dev"), ("infra/site", "prod")]),
        (["infra/site/dev.tfvars"], [("infra/site", "dev")]),
        (["infra/site/prod.tfbackend"], [("infra/site", "prod")]),
        (["infra/site/stage.tfvars"], [("infra/site", "dev"), ("infra/site", "prod")]),
        (["infra/site/db/dev.tfvars"], [("infra/site", "dev"), ("infra/site", "prod")]),
        (["infra/empty/main.tf"], [("infra/empty/", "prod")]),
        (["release.yaml"], [("infra/site", "dev"), ("infra/site", "prod"), ("infra/empty/", "prod")]),
        (["tools/x"], [("infra/site", "dev"), ("infra/site", "prod"), ("infra/empty/", "prod")]),
        ([], []),
    ],
)
def test_a_change_affects_the_roots_and_environments_that_it_concerns(
    changed: list[str], expected: list[tuple[str, str]]
) -> None:
    assert affected_roots(TREE, load(BOTH), changed) == expected


def test_without_roots_nothing_is_affected() -> None:
    assert affected_roots(TREE, load(None), ["infra/site/main.tf"]) == []


@pytest.mark.parametrize(
    ("roots", "what", "place"),
    [
        ("    - path: infra/sites\n      environments: [dev]\n", "infra/sites has no", "release.yaml:8:7"),
        ("    - path: infra/site\n      environments: [dev, live]\n", "for live", "release.yaml:9:27"),
        (SITE + SITE, "twice", "release.yaml:10:7"),
    ],
)
def test_a_root_that_is_not_there_and_an_environment_named_nowhere_are_refused_with_their_place(
    roots: str, what: str, place: str
) -> None:
    content = _config(roots)
    with pytest.raises(ConfigError, match=what) as caught:
        check_roots(TREE, load(content), content)
    assert [str(one) for one in caught.value.where] == [place]


def test_roots_that_are_there_pass() -> None:
    check_roots(TREE, load(BOTH), BOTH)
    check_roots(TREE, load(None), None)


@pytest.mark.parametrize(
    ("root", "environment", "what"),
    [
        ("infra/modules/app", "dev", "has no Terraform root infra/modules/app"),
        ("infra/site", "live", "is not for live"),
    ],
)
def test_a_root_or_environment_that_is_not_configured_is_not_planned(
    tmp_path: object, tmp_path_factory: pytest.TempPathFactory, root: str, environment: str, what: str
) -> None:
    assert tmp_path
    infra = Infra(tmp_path_factory.mktemp("infra"))
    done = infra.run("plan", root, "--environment", environment)
    assert done.code == 4
    assert what in done.err
    assert "at  release.yaml:" in done.err


_FOLDERS = [f"m{number}" for number in range(6)]
_graphs = st.dictionaries(st.sampled_from(_FOLDERS), st.frozensets(st.sampled_from(_FOLDERS)))


def _tree(graph: dict[str, frozenset[str]]) -> MemoryTree:
    files = {f"{folder}/main.tf": "" for folder in _FOLDERS}
    for folder, parts in graph.items():
        files[f"{folder}/main.tf"] = "".join(
            f'module "{part}" {{\n  source = "../{part}"\n}}\n' for part in sorted(parts)
        )
    return MemoryTree(files)


@settings(deadline=None, max_examples=30)
@given(_graphs, st.sampled_from(_FOLDERS), st.sampled_from(_FOLDERS), st.sampled_from(_FOLDERS))
def test_inputs_are_closed_and_grow_with_each_module_that_is_called(
    graph: dict[str, frozenset[str]], root: str, whole: str, part: str
) -> None:
    found = inputs(_tree(graph), root)
    assert root in found
    assert all(graph.get(folder, frozenset()) <= found for folder in found)
    reached = {root}
    for _ in _FOLDERS:
        reached |= {part for folder in reached for part in graph.get(folder, ())}
    assert found == reached
    assert found <= inputs(_tree({**graph, whole: graph.get(whole, frozenset()) | {part}}), root)


@settings(deadline=None, max_examples=30)
@given(_graphs, st.lists(st.sampled_from([f"{one}/main.tf" for one in _FOLDERS])), st.sampled_from(_FOLDERS))
def test_a_larger_change_affects_no_less(graph: dict[str, frozenset[str]], changed: list[str], more: str) -> None:
    roots = "".join(f"    - path: {one}\n      environments: [dev]\n" for one in _FOLDERS[:3])
    config = load(_config(roots))
    smaller = affected_roots(_tree(graph), config, changed)
    larger = affected_roots(_tree(graph), config, [*changed, f"{more}/x"])
    assert set(smaller) <= set(larger)
