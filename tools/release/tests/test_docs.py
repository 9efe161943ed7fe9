"""The documents say what is so: their commands run, their links lead somewhere, their lists are complete."""

from __future__ import annotations

import ast
import importlib
import json
import os
import pkgutil
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import release
from docs_commands import Session, covered_by, is_shell, left_out, run_by
from docs_example import environment, example
from docs_markdown import Block, Document
from edits import bumped, components_of
from release import errors
from release.checks import RULES
from release.ci import render
from release.ci.catalogue import PARTS
from release.ci.compose import compose
from release.ci.explain import mermaid
from release.ci.pins import Pins
from release.cli.main import cli
from release.flow.ci import survey_site
from release.flow.stack import images_of
from release.formats import bundle_json, image_yaml, plan_json, plugins_lock
from release.model.component import EdgeKind
from release.repository.git import Repository
from release.workspace import config
from release.workspace.kinds import KINDS
from trees import MemoryTree

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
RUN_BY = os.environ.get("DOCS_RUN_BY", "")
"""The nox session whose blocks are run now, which the documents name: ``<!-- run by: stack -->``."""
MOST_NOT_RUN = 14
"""So many commands may be left out of the test at most; each needs its reason."""

pytestmark = pytest.mark.skipif(
    not (DOCS.is_dir() and (ROOT / ".git").exists()), reason="the documents and their repository are not here"
)


def _documents() -> list[Path]:
    if not (ROOT / ".git").exists():
        return []
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = sorted({ROOT / path for path in listed.stdout.split("\0") if path})
    return [path for path in paths if path.exists() and path.name not in ("CHANGELOG.md", "CHANGES.md")]


DOCUMENTS = _documents()
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _blocks(*languages: str) -> Iterator[tuple[Path, Block]]:
    for path in DOCUMENTS:
        for block in Document.read(path).blocks:
            if block.language in languages:
                yield path, block


@each_document
def test_the_commands_of_a_document_do_what_it_says(
    path: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    session = Session(ROOT, tmp_path, tmp_path_factory.getbasetemp() / "docs-templates")
    blocks = [block for block in Document.read(path).blocks if is_shell(block) and run_by(block) == RUN_BY]
    wrong = [f"{_name(path)}:{block.line}: {what}" for block in blocks for what in session.run(block)]
    assert not wrong, "\n\n".join(wrong)


def test_few_commands_of_the_documents_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    found = [(_name(path), text, why) for path, block in _blocks("console", "sh") for text, why in left_out(block)]
    with capsys.disabled():
        print(f"\n{len(found)} commands of the documents are not run:")
        for name, text, why in found:
            print(f"  {name}: `{text}`: {why}")
    assert all(why for _, _, why in found)
    assert len(found) <= MOST_NOT_RUN


def test_what_other_sessions_run_is_run_by_sessions_that_do_so() -> None:
    named = {run_by(block) for _, block in _blocks("console", "sh")} - {""}
    assert named == set(re.findall(r'documented\(session, "(\w+)"\)', (ROOT / "noxfile.py").read_text("utf-8")))


def test_what_other_tests_run_is_read_by_tests_that_are_there() -> None:
    named = {(_name(path), covered_by(block)) for path, block in _blocks("console", "sh") if covered_by(block)}
    assert [(page, test) for page, test in sorted(named) if page not in (ROOT / test).read_text("utf-8")] == []


@each_document
def test_the_links_of_a_document_lead_somewhere(path: Path) -> None:
    dead = []
    for link in Document.read(path).links:
        if re.match(r"[a-z][a-z+.-]*:", link.target):
            continue
        file, _, fragment = link.target.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or not target.is_relative_to(ROOT):
            dead.append(f"{_name(path)}:{link.line}: {link.target} is not there")
        elif fragment and (target.suffix != ".md" or fragment not in Document.read(target).anchors):
            dead.append(f"{_name(path)}:{link.line}: {link.target} has no such heading")
    assert not dead, "\n".join(dead)


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, queue = set(), [ROOT / "README.md"]
    while queue:
        path = queue.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        for link in Document.read(path).links:
            target = (path.parent / link.target.partition("#")[0]).resolve()
            if not re.match(r"[a-z][a-z+.-]*:", link.target) and target.is_file():
                queue.append(target)
    assert sorted(map(_name, {path for path in DOCUMENTS if path.is_relative_to(DOCS)} - reached)) == []


def _commands(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*above, name)), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*above, name))


def _section(path: Path, heading: str) -> str:
    """Return the text below ``heading`` (of any level) up to the next heading of its level or a higher one."""
    found = re.search(
        rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,6}} |\Z)",
        path.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    return found[2] if found else ""


def _pages_of_commands() -> list[Path]:
    """Return the pages that describe commands, each under a heading of its own."""
    return [path for path in DOCUMENTS if path.is_relative_to(DOCS)]


def test_every_command_and_option_is_described() -> None:
    page = DOCS / "release/commands.md"
    missing = []
    for name, command in _commands(cli):
        text = next(filter(None, (_section(path, f"`release {name}`") for path in _pages_of_commands())), "")
        if not text:
            missing.append(f"release {name}")
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                names = [option for option in parameter.opts if option.startswith("--")] or parameter.opts
                missing += [f"release {name} {option}" for option in names if f"`{option}" not in text]
    for parameter in cli.params:
        missing += [option for option in parameter.opts if f"`{option}" not in page.read_text(encoding="utf-8")]
    assert missing == []


def test_no_option_is_described_that_is_not_there() -> None:
    known = dict(_commands(cli))
    wrong = []
    headings = [
        (page, heading)
        for page in _pages_of_commands()
        for heading in re.findall(r"^#+ `release (.+)`$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    for page, heading in headings:
        command = known.get(heading)
        if command is None:
            wrong.append(f"release {heading}")
            continue
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        table = [line for line in _section(page, f"`release {heading}`").splitlines() if line.startswith("| `--")]
        described = {found for line in table for found in re.findall(r"^\| `(--[\w-]+)", line)}
        wrong += [f"release {heading} {option}" for option in sorted(described - options)]
    assert wrong == []


def _keys(schema: dict[str, Any], node: dict[str, Any], above: str = "") -> Iterator[str]:
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    for choice in node.get("anyOf", ()):
        yield from _keys(schema, choice, above)
    for key, value in node.get("properties", {}).items():
        yield f"{above}{key}"
        yield from _keys(schema, value, f"{above}{key}.")
    inner = node.get("additionalProperties")
    if isinstance(inner, dict):
        yield from _keys(schema, inner, f"{above}NAME.")
    if isinstance(node.get("items"), dict):
        yield from _keys(schema, node["items"], f"{above}N.")


def test_every_key_of_the_configuration_is_described_and_no_other() -> None:
    schema = config.schema()
    pages = [DOCS / "release" / name for name in ("configuration.md", "delivery.md")]
    page = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    known = set(_keys(schema, schema))
    described = set(re.findall(r"^#+ `([\w.-]+)`$", page, re.MULTILINE))
    assert known >= {"version", "commits.types", "components.NAME.zero", "baseline.commit"}
    assert described == known


def _subclasses(kind: type[errors.ReleaseError]) -> Iterator[type[errors.ReleaseError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _subclasses(child)


def test_every_exit_code_and_every_kind_of_error_is_described() -> None:
    for module in pkgutil.walk_packages(release.__path__, "release."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    page = (DOCS / "release/exit-codes.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| (.*)$", page, re.MULTILINE))
    own = [kind for kind in _subclasses(errors.ReleaseError) if kind is not errors.ReleaseError]
    missing = [
        f"{kind.exit_code} `{kind.slug}`" for kind in own if f"`{kind.slug}`" not in rows.get(str(kind.exit_code), "")
    ]
    assert missing == []
    assert set(rows) == {str(kind.exit_code) for kind in own} | {"0", "1", "2", "70", "130"}


def test_every_rule_of_check_is_described_and_no_other() -> None:
    page = (DOCS / "release/checks.md").read_text(encoding="utf-8")
    assert re.findall(r"^## `([\w-]+)`$", page, re.MULTILINE) == [rule.id for rule in RULES]


def test_the_propagation_table_has_every_kind_of_edge_with_its_policy() -> None:
    text = _section(DOCS / "release/commits-and-versions.md", "Propagation")
    rows = dict(re.findall(r"^\| `([\w-]+)` \|.*\| `(\w+)` \|$", text, re.MULTILINE))
    usual = config.Config()
    assert rows == {kind.value: usual.propagate(kind).value for kind in EdgeKind}


def test_every_kind_of_component_is_described() -> None:
    page = (DOCS / "release/components.md").read_text(encoding="utf-8")
    assert [name for name in KINDS if f"(`{name}`)" not in page] == []


def _plan(content: bytes, path: str) -> object:
    assert path
    return plan_json.decode(content)


def _config(content: bytes, path: str) -> object:
    assert path
    return config.load(content)


def _pins(content: bytes, path: str) -> object:
    assert path
    return Pins.load(content)


PARSERS: dict[str, Callable[[bytes, str], object]] = {
    "plugins.lock": plugins_lock.parse,
    "release.yaml": _config,
    "image.yaml": image_yaml.parse,
    "bundle.json": bundle_json.parse,
    "plan.json": _plan,
    "pins.yaml": _pins,
    "stack-images.yaml": images_of,
}


def test_every_example_of_a_file_is_read_by_its_parser() -> None:
    seen: set[str] = set()
    for path, block in _blocks("yaml", "json", "toml"):
        name = block.notes.get("file", "")
        place = f"{_name(path)}:{block.line}"
        if name in PARSERS:
            try:
                PARSERS[name](block.text.encode(), place)
            except errors.ReleaseError as error:
                pytest.fail(f"{place}: {error.what}")
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        else:
            pytest.fail(f"{place}: say which file it is: <!-- file: release.yaml -->")
        seen.add(name)
    assert seen >= PARSERS.keys()


def test_the_plan_that_is_shown_is_the_one_that_is_made(tmp_path: Path) -> None:
    blocks = Document.read(DOCS / "release/plan.md").blocks
    number = next(i for i, block in enumerate(blocks) if block.notes.get("file") == "plan.json")
    command = next(line for line in blocks[number - 1].lines if line.startswith("$ ")).removeprefix("$ ")
    root = example(tmp_path)
    done = subprocess.run(
        command.split(), cwd=root, env=environment(tmp_path / "home"), check=True, capture_output=True
    )
    assert json.loads(blocks[number].text) == json.loads(done.stdout)


def test_the_kind_that_is_shown_works() -> None:
    block = next(
        block for block in Document.read(DOCS / "release/adding-a-kind.md").blocks if block.language == "python"
    )
    names: dict[str, Any] = {"__name__": "composer"}
    exec(compile(block.text, "adding-a-kind.md", "exec"), names)
    composer = names["Composer"]()
    manifest = '{\n  "name": "acme/clock",\n  "version": "1.2.0"\n}\n'
    tree = MemoryTree({"lib/composer.json": manifest, "other/composer.json": '{"name": "acme/other"}'})
    components = components_of(tree, composer)
    assert [(one.name, str(one.version), str(one.declared)) for one in components.values()] == [
        ("clock", "1.2.0", "lib/composer.json:3:15")
    ]
    after = bumped(tree, {"clock": "1.3.0"}, composer)
    assert after.read("lib/composer.json").decode() == manifest.replace("1.2.0", "1.3.0")


def test_the_diagram_of_the_workflows_is_that_of_this_repository() -> None:
    found = mermaid(compose(survey_site(Repository.open(ROOT))))
    block = next(block for block in Document.read(DOCS / "ci.md").blocks if "shows" in block.notes)
    assert block.text.strip() == found, "write what `release ci graph` prints into docs/ci.md"


def test_the_workflow_that_is_shown_works() -> None:
    block = next(block for block in Document.read(DOCS / "ci.md").blocks if block.language == "python")
    names: dict[str, Any] = {"__name__": "nightly"}
    exec(compile(block.text, "ci.md", "exec"), names)
    site = survey_site(Repository.open(ROOT))
    added = next(one for one in compose(site, (*PARTS, names["NIGHTLY"])) if one.id == "nightly")
    assert "run: ./dev nox -s nightly\n" in render.text(added)
    assert [grant.scope for grant in added.jobs[0].grants] == ["contents"]


def test_every_part_of_the_catalogue_is_described() -> None:
    described = re.findall(r"^\| `([\w-]+)` \|", _section(DOCS / "ci.md", "What is generated"), re.MULTILINE)
    assert sorted(described) == sorted(part.id for part in PARTS if not part.needed)


def test_this_repository_has_a_configuration_that_is_read() -> None:
    loaded = config.load((ROOT / config.CONFIG).read_bytes())
    assert loaded.baseline is None
    assert not [path for path in loaded.everything if not list(ROOT.glob(path.strip("/")))]


def test_every_dependency_says_why_it_is_there() -> None:
    rows = re.findall(r"^\| ([\w, ()-]+) \| (.+?) \|", (DOCS / "dependencies.md").read_text("utf-8"), re.MULTILINE)
    described = {word.lower() for names, _ in rows for word in re.findall(r"[\w-]+", names)}
    project = tomllib.loads((ROOT / "tools/release/pyproject.toml").read_text("utf-8"))["project"]
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    crates = [tomllib.loads(path.read_text("utf-8")) for path in ROOT.glob("crates/*/Cargo.toml")]
    needed = [re.split(r"[<>=~!; \[]", text)[0] for text in (*project["dependencies"], *groups["dev"])]
    needed += [
        name
        for crate in crates
        for key in ("dependencies", "dev-dependencies")
        for name, wanted in crate.get(key, {}).items()
        if "path" not in wanted
    ]
    assert [name for name in needed if name.lower() not in described] == []


def _imports(file: Path) -> Iterator[str]:
    """Yield the rooms of the package that ``file`` imports from."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        modules = [node.module] if isinstance(node, ast.ImportFrom) else []
        modules += [name.name for name in node.names] if isinstance(node, ast.Import) else []
        for module in modules:
            package, _, rest = (module or "").partition(".")
            if package == "release" and rest:
                yield rest.partition(".")[0]


def test_the_rooms_of_the_package_import_only_what_the_architecture_allows() -> None:
    text = _section(DOCS / "architecture.md", "Rooms of the package")
    rows = re.findall(r"^\| `(\w+)/` \| (.*?) \|", text, re.MULTILINE)
    rooms = {room for room, _ in rows}
    allowed = {room: rooms if may == "all of them" else set(re.findall(r"`(\w+)`", may)) for room, may in rows}
    package = ROOT / "tools/release/src/release"
    assert rooms == {path.parent.name for path in package.glob("*/__init__.py")}
    wrong = [
        f"{_name(file)}: {target}"
        for room in sorted(rooms)
        for file in sorted((package / room).rglob("*.py"))
        for target in sorted(set(_imports(file)) - allowed[room] - {room, "errors"})
    ]
    assert wrong == []


DIAGRAMS = ("flowchart", "sequenceDiagram", "stateDiagram-v2", "gitGraph", "classDiagram")
PAIRS = {")": "(", "]": "[", "}": "{"}


def test_diagrams_are_of_a_known_kind_and_their_brackets_and_quotes_close() -> None:
    diagrams = list(_blocks("mermaid"))
    assert diagrams
    for path, block in diagrams:
        place = f"{_name(path)}:{block.line}"
        lines = [line.strip() for line in block.lines if line.strip() and not line.strip().startswith("%%")]
        assert lines[0].split()[0] in DIAGRAMS, place
        assert all(line.count('"') % 2 == 0 for line in lines), place
        opened: list[str] = []
        for mark in re.sub(r'"[^"]*"', "", re.sub(r"-+[->)x]+|<-+", " ", "\n".join(lines))):
            if mark in PAIRS.values():
                opened.append(mark)
            elif mark in PAIRS:
                assert opened, place
                assert opened.pop() == PAIRS[mark], place
        assert not opened, place
        words = [line.split()[0] for line in lines]
        blocks = sum(words.count(word) for word in ("subgraph", "alt", "opt", "loop", "par", "critical"))
        assert blocks == words.count("end"), place


@each_document
def test_a_document_names_no_path_of_a_machine(path: Path) -> None:
    home = Path.home()
    text = path.read_text(encoding="utf-8")
    found = [word for word in (f"{ROOT}/", f"{home}/", "/home/", "/root/", "/tmp/") if word in text]
    assert found == []
