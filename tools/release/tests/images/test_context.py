"""Build contexts: what is in them, that the same inputs give the same bytes, and which inputs are refused."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from release.errors import InputsRefused
from release.flow.bundle import unfit
from release.formats import elf
from release.images.context import Context
from release.publish.archives import Entry
from scratch import Result, Scratch, crate, plugin, workspace_toml
from small_moodle import image_repository, moodle_folder, plugin_zip, served, zip_lock


def tree_of(folder: Path) -> dict[str, tuple[int, int, bytes | str]]:
    """Return mode, date and content (of links: target) of everything in ``folder``."""
    found: dict[str, tuple[int, int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content: bytes | str = (
            str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        )
        found[path.relative_to(folder).as_posix()] = (status.st_mode & 0o7777, int(status.st_mtime), content)
    return found


def context(scratch: Scratch, output: Path, name: str = "site", *options: str, **env: str) -> Result:
    return scratch.run("image", "context", name, "--output", str(output), *options, env=env)


@pytest.fixture
def moodle(tmp_path: Path) -> Path:
    return moodle_folder(tmp_path / "moodle")


def test_it_has_moodle_with_our_plugins_in_their_folders_as_they_are_packaged(tmp_path: Path, moodle: Path) -> None:
    scratch = image_repository(tmp_path / "mono")
    (moodle / "vendor").mkdir()
    (moodle / "vendor/tool").symlink_to("../public/index.php")
    (moodle / "admin/cli/install.php").chmod(0o775)
    context(scratch, tmp_path / "out", "site", "--moodle", str(moodle)).ok()
    found = tree_of(tmp_path / "out")
    assert [
        path for path in found if not (tmp_path / "out" / path).is_dir() or (tmp_path / "out" / path).is_symlink()
    ] == [
        "Dockerfile",
        "bin/linux/amd64/.keep",
        "moodle/admin/cli/install.php",
        "moodle/lib/components.json",
        "moodle/public/index.php",
        "moodle/public/local/hello/cli/hello.php",
        "moodle/public/local/hello/lang/en/local_hello.php",
        "moodle/public/local/hello/version.php",
        "moodle/public/mod/quiz/db/subplugins.json",
        "moodle/public/mod/quiz/version.php",
        "moodle/public/version.php",
        "moodle/vendor/tool",
        "rootfs/etc/site",
    ]
    assert found["moodle/admin/cli/install.php"][0] == 0o755
    assert found["moodle/public/index.php"][0] == 0o644
    assert found["moodle/vendor/tool"][2] == "../public/index.php"
    commit_time = int(scratch.git("log", "-1", "--format=%ct"))
    assert {date for _, date, _ in found.values()} == {commit_time}


def test_the_same_inputs_give_the_same_bytes_whatever_the_umask_and_the_clock(tmp_path: Path, moodle: Path) -> None:
    scratch = image_repository(tmp_path / "mono")
    first = context(scratch, tmp_path / "one", "site", MOODLE_DIR=str(moodle)).ok()
    for path in moodle.rglob("*"):
        os.utime(path, (1, 1))
    clone = scratch.clone(tmp_path / "clone")
    before = os.umask(0o077)
    try:
        second = context(clone, tmp_path / "two", "site", MOODLE_DIR=str(moodle)).ok()
    finally:
        os.umask(before)
    assert tree_of(tmp_path / "one") == tree_of(tmp_path / "two")
    assert first.out.split()[0] == second.out.split()[0]


def test_a_folder_that_is_linked_into_moodle_is_neither_taken_nor_written_to(tmp_path: Path, moodle: Path) -> None:
    scratch = image_repository(tmp_path / "mono")
    plain = context(scratch, tmp_path / "plain", "site", MOODLE_DIR=str(moodle)).ok()
    linked = scratch.path / "plugins/local_hello"
    (moodle / "public/local").mkdir()
    (moodle / "public/local/hello").symlink_to(linked)
    (moodle / "public/passwd").symlink_to("../../passwd")
    (linked / "version.php").write_text("<?php // not committed\n")
    done = context(scratch, tmp_path / "out", "site", MOODLE_DIR=str(moodle)).ok()
    assert (linked / "version.php").read_text() == "<?php // not committed\n"
    assert not (tmp_path / "out/moodle/public/local/hello").is_symlink()
    assert "public/local/hello, public/passwd" in done.err
    assert done.out.split()[0] == plain.out.split()[0]


def test_plugins_are_not_written_through_a_link_inside_of_moodle(tmp_path: Path, moodle: Path) -> None:
    (moodle / "public/local").mkdir()
    (moodle / "elsewhere").mkdir()
    (moodle / "elsewhere/README").write_text("")
    (moodle / "public/local/hello").symlink_to("../../elsewhere")
    done = context(image_repository(tmp_path / "mono"), tmp_path / "out", "site", MOODLE_DIR=str(moodle))
    assert done.code == 19
    assert "public/local/hello is no folder but a link" in done.err


def test_what_lies_in_a_moodle_and_is_not_moodles_is_left_out_and_named(tmp_path: Path) -> None:
    others = (
        ".env", ".env.local", ".git/config", "auth.json", "config.php", "config.php.bak", "node_modules/a/index.js",
        "public/.config.php.swp", "public/local/third/.git/config", "public/theme/x/node_modules/b.js",
    )  # fmt: skip
    kept = ("public/config.php", "public/local/third/version.php", "public/theme/x/config.php", ".gitattributes")
    folder = moodle_folder(tmp_path / "moodle", dict.fromkeys((*others, *kept), "<?php // secret"))
    done = context(image_repository(tmp_path / "mono"), tmp_path / "out", "site", MOODLE_DIR=str(folder)).ok()
    assert [path for path in others if (tmp_path / "out/moodle" / path).exists()] == []
    assert [path for path in kept if not (tmp_path / "out/moodle" / path).exists()] == []
    names = ".env, .env.local, .git, auth.json, config.php, config.php.bak, node_modules, public/.config.php.swp, "
    assert f"{names}public/local/third/.git, public/theme/x/node_modules" in " ".join(done.err.split())


def test_the_digest_does_not_depend_on_the_order_in_which_files_are_written(tmp_path: Path) -> None:
    entries = [Entry("b/c", b"1"), Entry("a", b"2", executable=True), Entry("b-d", b"3")]
    digests = set()
    for number, order in enumerate((entries, entries[::-1])):
        made = Context(tmp_path / str(number), 1)
        for entry in order:
            made.put(entry)
        digests.add(made.digest())
    assert len(digests) == 1


@pytest.mark.parametrize("change", ["mode", "content", "name", "plugin"])
def test_each_change_of_an_input_changes_the_digest(tmp_path: Path, moodle: Path, change: str) -> None:
    scratch = image_repository(tmp_path / "mono")
    first = context(scratch, tmp_path / "one", "site", MOODLE_DIR=str(moodle)).ok().out.split()[0]
    match change:
        case "mode":
            (moodle / "public/index.php").chmod(0o755)
        case "content":
            (moodle / "public/index.php").write_text("<?php ")
        case "name":
            (moodle / "public/index.php").rename(moodle / "public/other.php")
        case _:
            scratch.commit("fix(local_hello): x", {"plugins/local_hello/cli/hello.php": "<?php // 2\n"})
    assert context(scratch, tmp_path / "two", "site", MOODLE_DIR=str(moodle)).ok().out.split()[0] != first


def test_a_commit_to_something_else_leaves_the_inputs_as_they_are(tmp_path: Path, moodle: Path) -> None:
    scratch = image_repository(tmp_path / "mono")
    first = context(scratch, tmp_path / "one", "site", "--json", MOODLE_DIR=str(moodle)).ok().json
    scratch.commit("docs: more", {"README.md": "more\n", "images/tiny/rootfs/etc/tiny": "other\n"})
    second = context(scratch, tmp_path / "two", "site", "--json", MOODLE_DIR=str(moodle)).ok().json
    assert {**second, "folder": ""} == {**first, "folder": ""}
    scratch.commit("fix(local_hello): x", {"plugins/local_hello/cli/hello.php": "<?php // 2\n"})
    third = context(scratch, tmp_path / "three", "site", "--json", MOODLE_DIR=str(moodle)).ok().json
    assert third["inputs"]["time"] > first["inputs"]["time"]
    assert third["inputs"]["commit"] == scratch.git("rev-parse", "HEAD")


def test_what_is_not_committed_is_not_in_it(tmp_path: Path) -> None:
    scratch = image_repository(tmp_path / "mono")
    scratch.write({"images/tiny/rootfs/etc/new": "new\n", "images/tiny/rootfs/etc/tiny": "changed\n"})
    context(scratch, tmp_path / "out", "tiny").ok()
    assert (tmp_path / "out/rootfs/etc/tiny").read_text() == "tiny\n"
    assert not (tmp_path / "out/rootfs/etc/new").exists()


def test_an_image_without_a_rootfs_gets_the_whole_repository(tmp_path: Path) -> None:
    plain = {"images/plain/image.yaml": "name: plain\nversion: 1.0.0\n", "images/plain/Dockerfile": "FROM scratch\n"}
    scratch = image_repository(tmp_path / "mono", plain)
    context(scratch, tmp_path / "out", "plain").ok()
    assert (tmp_path / "out/Dockerfile").read_text() == "FROM scratch\n"
    assert (tmp_path / "out/images/site/rootfs/etc/site").is_file()
    assert (tmp_path / "out/plugins/local_hello/.gitignore").is_file()


def test_programs_of_crates_are_in_it_and_a_crate_without_one_gives_none(tmp_path: Path) -> None:
    home = Path.home()
    if subprocess.run(["cargo", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("cargo is not installed")
    scratch = image_repository(
        tmp_path / "mono",
        {
            "Cargo.toml": workspace_toml("crates/greet", "crates/part"),
            "crates/greet/Cargo.toml": crate("greet", "0.2.0") + 'license = "MIT"\n',
            "crates/greet/src/main.rs": 'fn main() { println!("hello"); }\n',
            "crates/part/Cargo.toml": crate("part", "0.1.0"),
            "crates/part/src/lib.rs": "",
            "images/tiny/image.yaml": "name: tiny\nversion: 0.1.0\ncontains:\n  crates: [greet, part]\n",
        },
    )
    cargo = {"CARGO_HOME": str(home / ".cargo"), "RUSTUP_HOME": str(home / ".rustup")}
    scratch.environment |= {name: os.environ.get(name, value) for name, value in cargo.items()}
    made = context(scratch, tmp_path / "out", "tiny", "--json").ok().json
    program = tmp_path / "out/bin/linux/amd64/greet"
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "hello\n"
    assert program.stat().st_mode & 0o777 == 0o755
    assert [(part["name"], part["license"]) for part in made["inputs"]["parts"]] == [("greet", "MIT")]
    context(scratch, tmp_path / "again", "tiny").ok()
    assert (tmp_path / "again/bin/linux/amd64/greet").read_bytes() == program.read_bytes()


def test_a_program_that_its_crate_wants_static_needs_no_library_of_the_image(tmp_path: Path) -> None:
    if "x86_64-unknown-linux-musl" not in installed_targets():
        pytest.skip("Rust's target x86_64-unknown-linux-musl is not installed: rustup target add")
    scratch = image_repository(
        tmp_path / "mono",
        {
            "Cargo.toml": workspace_toml("crates/greet"),
            "crates/greet/Cargo.toml": crate("greet", "0.2.0") + "\n[package.metadata.release]\nstatic = true\n",
            "crates/greet/src/main.rs": 'fn main() { println!("hello"); }\n',
            "images/tiny/image.yaml": "name: tiny\nversion: 0.1.0\ncontains:\n  crates: [greet]\n",
        },
    )
    home = Path.home()
    cargo = {"CARGO_HOME": str(home / ".cargo"), "RUSTUP_HOME": str(home / ".rustup")}
    scratch.environment |= {name: os.environ.get(name, value) for name, value in cargo.items()}
    context(scratch, tmp_path / "out", "tiny").ok()
    program = tmp_path / "out/bin/linux/amd64/greet"
    assert elf.parse(program.read_bytes()).needs == ()
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "hello\n"


def installed_targets() -> list[str]:
    """Return the targets of the Rust that is installed here; none without rustup."""
    if not shutil.which("rustup"):
        return []
    said = subprocess.run(["rustup", "target", "list", "--installed"], capture_output=True, text=True, check=False)
    return said.stdout.split()


def test_a_program_that_names_folders_of_this_machine_is_refused(tmp_path: Path) -> None:
    if subprocess.run(["cargo", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("cargo is not installed")
    scratch = image_repository(
        tmp_path / "mono",
        {
            "Cargo.toml": workspace_toml("crates/greet"),
            "crates/greet/Cargo.toml": crate("greet", "0.2.0"),
            "crates/greet/src/main.rs": 'fn main() { println!("{}", env!("CARGO_MANIFEST_DIR")); }\n',
            "images/tiny/image.yaml": "name: tiny\nversion: 0.1.0\ncontains:\n  crates: [greet]\n",
        },
    )
    home = Path.home()
    cargo = {"CARGO_HOME": str(home / ".cargo"), "RUSTUP_HOME": str(home / ".rustup")}
    scratch.environment |= {name: os.environ.get(name, value) for name, value in cargo.items()}
    done = context(scratch, tmp_path / "out", "tiny")
    assert done.code == 17
    assert "greet can't be built: greet for linux/amd64: it has the path" in done.err


def test_a_program_runs_in_the_image_or_is_refused() -> None:
    content = Path(sys.executable).read_bytes()
    target = f"{platform.machine()}-unknown-linux-gnu"
    assert unfit(content, target, "9.9", (), "Debian 13 has") is None
    old = unfit(content, target, "2.0", (), "Debian 13 has")
    assert old is not None
    assert re.fullmatch(r"it needs glibc 2\.[0-9.]+; Debian 13 has 2\.0", old.what)
    other = unfit(content, "riscv64gc-unknown-linux-gnu", "9.9", (), "Debian 13 has")
    assert other is not None
    assert "it came out for" in other.what
    script = unfit(b"#!/bin/sh\n", target, "9.9", (), "Debian 13 has")
    assert script is not None
    assert "it is no ELF file" in script.what


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"public/version.php": None}, "it has no public/version.php"),
        ({"public/version.php": None, "version.php": "<?php"}, "older than 5.1"),
        (
            {"public/version.php": "<?php $version = 2025041400; $release = '5.0'; $branch = '500';"},
            "Moodle in it is 5.0",
        ),
        ({"public/version.php": "<?php $plugin->version = 1;"}, "is no version.php of Moodle"),
        ({"lib/components.json": None}, "it has no lib/components.json"),
    ],
)
def test_what_is_no_moodle_from_5_1_on_is_refused(tmp_path: Path, changes: dict[str, str | None], said: str) -> None:
    folder = moodle_folder(tmp_path / "moodle", changes)
    done = context(image_repository(tmp_path / "mono"), tmp_path / "out", "site", MOODLE_DIR=str(folder))
    assert done.code == 19
    assert said in done.err
    assert str(folder) in done.err


def _source(scratch: Scratch, tag: str, commit: str) -> str:
    moodle = f"repository: file://{scratch.path}\n    tag: {tag}\n    commit: {commit}\n"
    return f"version: 1\nimages:\n  moodle:\n    {moodle}"


def test_moodle_of_a_git_tag_is_fetched_once_and_must_be_the_commit_that_was_written_down(tmp_path: Path) -> None:
    upstream = Scratch(tmp_path / "upstream")
    moodle_folder(upstream.path, {".git/config": None})
    commit = upstream.commit("v5.1")
    upstream.tag("v5.1.0")
    scratch = image_repository(tmp_path / "mono", {"release.yaml": _source(upstream, "v5.1.0", commit)})
    made = context(scratch, tmp_path / "one", "site", "--json").ok().json
    assert made["inputs"]["moodle"]["origin"].endswith(f"v5.1.0 {commit}")
    upstream.git("tag", "-d", "v5.1.0")
    context(scratch, tmp_path / "two", "site").ok()
    assert tree_of(tmp_path / "one") == tree_of(tmp_path / "two")

    other = upstream.commit("fix: more", {"public/index.php": "<?php // changed\n"})
    upstream.tag("v5.1.1")
    scratch.commit("feat: 5.1.1", {"release.yaml": _source(upstream, "v5.1.1", "f" * 40)})
    done = context(scratch, tmp_path / "three", "site")
    assert done.code == 19
    assert f"leads to {other}, not to {'f' * 40}" in done.err


def test_what_is_kept_of_moodle_is_compared_with_its_hash_and_taken_as_it_is(tmp_path: Path) -> None:
    upstream = Scratch(tmp_path / "upstream")
    moodle_folder(upstream.path, {".git/config": None, ".gitattributes": "* text=auto eol=crlf\n"})
    (upstream.path / "admin/cli/install.php").chmod(0o755)
    (upstream.path / "public/link.php").symlink_to("index.php")
    commit = upstream.commit("v5.1")
    upstream.tag("v5.1.0")
    scratch = image_repository(tmp_path / "mono", {"release.yaml": _source(upstream, "v5.1.0", commit)})
    first = context(scratch, tmp_path / "one", "site").ok()
    assert b"\r" not in (tmp_path / "one/moodle/public/version.php").read_bytes()
    assert (tmp_path / "one/moodle/admin/cli/install.php").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "one/moodle/public/link.php").readlink() == Path("index.php")
    kept = scratch.home / ".cache/moodle-release/moodle.git"
    for name in ("index.lock", "shallow.lock", f"refs/kept/{commit}.lock"):
        (kept / name).write_text("")  # as a git leaves them that is killed
    (tmp_path / "gitconfig").write_text("[core]\n\tautocrlf = true\n")
    second = context(scratch, tmp_path / "two", "site", GIT_CONFIG_GLOBAL=str(tmp_path / "gitconfig")).ok()
    assert second.out.split()[0] == first.out.split()[0]
    blob = upstream.git("rev-parse", "HEAD:public/version.php")
    for pack in kept.glob("objects/pack/*.pack"):
        moved = pack.rename(tmp_path / pack.name)
        subprocess.run(["git", "unpack-objects", "-q"], cwd=kept, input=moved.read_bytes(), check=True)
    loose = kept / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    content = b"<?php\n// evil\n"
    loose.write_bytes(zlib.compress(b"blob %d\0" % len(content) + content))
    done = context(scratch, tmp_path / "three", "site")
    assert done.code == 19
    assert f"the blob {blob} in {kept} is not what its name says" in " ".join(done.err.split())
    shutil.rmtree(kept)
    assert context(scratch, tmp_path / "four", "site").ok().out.split()[0] == first.out.split()[0]


def test_a_tag_that_is_not_there_says_so_and_what_to_do(tmp_path: Path) -> None:
    upstream = Scratch(tmp_path / "upstream")
    commit = upstream.commit("feat: begin", {"a": "a"})
    scratch = image_repository(tmp_path / "mono", {"release.yaml": _source(upstream, "v9", commit)})
    done = context(scratch, tmp_path / "out", "site")
    assert done.code == 19
    assert "the tag v9 of" in done.err
    assert "MOODLE_DIR" in done.err


def test_nothing_that_says_where_moodle_is_is_an_error_at_the_image(tmp_path: Path) -> None:
    done = context(image_repository(tmp_path / "mono"), tmp_path / "out", "site")
    assert done.code == 19
    assert "images/site/image.yaml" in done.err


def test_plugins_of_others_are_put_where_their_type_belongs_subplugins_too(tmp_path: Path, moodle: Path) -> None:
    (tmp_path / "zips").mkdir()
    poll = plugin_zip("mod_poll", 2026010100, files={"db/subplugins.json": '{"subplugintypes": {"pollkind": "kind"}}'})
    stars = plugin_zip("pollkind_stars", 2026010100, "$plugin->dependencies = ['mod_poll' => 2026010100];\n")
    rule = plugin_zip("quizaccess_seb2", 2026010100, "$plugin->dependencies = ['mod_quiz' => 2025100600];\n")
    for name, content in (("poll", poll), ("stars", stars), ("rule", rule)):
        (tmp_path / f"zips/{name}.zip").write_bytes(content)
    with served(tmp_path / "zips") as address:
        lock = zip_lock(
            ("mod_poll", 2026010100, f"{address}/poll.zip", poll),
            ("pollkind_stars", 2026010100, f"{address}/stars.zip", stars),
            ("quizaccess_seb2", 2026010100, f"{address}/rule.zip", rule),
        )
        scratch = image_repository(tmp_path / "mono", {"plugins.lock": lock})
        made = context(scratch, tmp_path / "out", "site", "--json", MOODLE_DIR=str(moodle)).ok().json
    public = tmp_path / "out/moodle/public"
    assert (public / "mod/poll/version.php").is_file()
    assert (public / "mod/poll/kind/stars/version.php").is_file()
    assert (public / "mod/quiz/accessrule/seb2/version.php").is_file()
    assert [part["name"] for part in made["inputs"]["parts"]] == [
        "local_hello", "mod_poll", "pollkind_stars", "quizaccess_seb2",
    ]  # fmt: skip
    context(scratch, tmp_path / "again", "site", MOODLE_DIR=str(moodle)).ok()  # from the cache: nothing is served now
    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "again")


def test_a_plugin_that_is_tampered_with_or_missing_is_refused_by_name(tmp_path: Path, moodle: Path) -> None:
    (tmp_path / "zips").mkdir()
    good, bad = plugin_zip("mod_poll", 2026010100), plugin_zip("mod_poll", 2026010100, "// evil\n")
    (tmp_path / "zips/poll.zip").write_bytes(bad)
    with served(tmp_path / "zips") as address:
        url = f"{address}/poll.zip"
        scratch = image_repository(tmp_path / "mono", {"plugins.lock": zip_lock(("mod_poll", 2026010100, url, good))})
        done = context(scratch, tmp_path / "out", "site", MOODLE_DIR=str(moodle))
        assert done.code == 19
        assert "mod_poll is not what was locked" in done.err
        assert "plugins.lock:3" in done.err
        assert not list((scratch.home / ".cache").rglob("*.zip"))
        (tmp_path / "zips/poll.zip").unlink()
        done = context(scratch, tmp_path / "out2", "site", MOODLE_DIR=str(moodle))
        assert done.code == 19
        assert "mod_poll can't be fetched" in done.err
        (tmp_path / "zips/poll.zip").write_bytes(good)
        context(scratch, tmp_path / "out3", "site", MOODLE_DIR=str(moodle)).ok()
    (kept,) = (scratch.home / ".cache").rglob("*.zip")
    kept.write_bytes(bad)
    done = context(scratch, tmp_path / "out4", "site", MOODLE_DIR=str(moodle))
    assert done.code == 19
    assert "mod_poll can't be fetched" in done.err


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("$plugin->requires = 2026100500;\n", "mod_poll requires Moodle 2026100500, but this is 2025100600.02"),
        ("$plugin->supported = [502, 503];\n", "mod_poll supports the branches 502 to 503, but this is 501"),
        ("$plugin->incompatible = 501;\n", "mod_poll is incompatible from branch 501 on"),
        ("$plugin->dependencies = ['mod_none' => 2020010100];\n", "mod_poll needs mod_none, which is not there"),
        (
            "$plugin->dependencies = ['local_hello' => 2030010100];\n",
            "mod_poll needs local_hello 2030010100, but it is 2025010100",
        ),
        ("$plugin->dependencies = ['mod_quiz' => 2025100700];\n", "mod_poll needs mod_quiz 2025100700"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_built(
    tmp_path: Path, moodle: Path, extra: str, said: str
) -> None:
    (tmp_path / "zips").mkdir()
    content = plugin_zip("mod_poll", 2026010100, extra)
    (tmp_path / "zips/poll.zip").write_bytes(content)
    with served(tmp_path / "zips") as address:
        lock = zip_lock(("mod_poll", 2026010100, f"{address}/poll.zip", content))
        scratch = image_repository(tmp_path / "mono", {"plugins.lock": lock})
        done = context(scratch, tmp_path / "out", "site", MOODLE_DIR=str(moodle))
    assert done.code == 19
    assert said in done.err
    assert not (tmp_path / "out/moodle").exists()


@pytest.mark.parametrize("extra", ["$plugin->supported = [501, 503];\n", "$plugin->incompatible = 502;\n", ""])
def test_what_just_fits_is_taken(tmp_path: Path, moodle: Path, extra: str) -> None:
    files = {"plugins/local_hello/version.php": plugin("local_hello") + extra + "$plugin->requires = 2025100600.02;\n"}
    context(image_repository(tmp_path / "mono", files), tmp_path / "out", "site", MOODLE_DIR=str(moodle)).ok()


def test_a_plugin_of_ours_that_moodle_or_the_lock_has_too_is_refused(tmp_path: Path, moodle: Path) -> None:
    scratch = image_repository(tmp_path / "mono")
    theirs = moodle_folder(tmp_path / "theirs", {"public/local/hello/version.php": "<?php\n"})
    done = context(scratch, tmp_path / "out", "site", MOODLE_DIR=str(theirs))
    assert done.code == 19
    assert "public/local/hello already" in done.err
    (tmp_path / "zips").mkdir()
    content = plugin_zip("local_hello", 2026010100)
    (tmp_path / "zips/hello.zip").write_bytes(content)
    with served(tmp_path / "zips") as address:
        lock = zip_lock(("local_hello", 2026010100, f"{address}/hello.zip", content))
        scratch.commit("feat: twice", {"plugins.lock": lock})
        done = context(scratch, tmp_path / "out2", "site", MOODLE_DIR=str(moodle))
    assert done.code == 19
    assert "local_hello is a component of this repository and locked" in done.err


@pytest.mark.parametrize(
    ("subplugins", "said"),
    [
        ({"subplugintypes": {"kind": "../../../../VICTIM"}}, "is not below public/mod/poll/"),
        ({"subplugintypes": {"mod": "../../../../VICTIM"}}, "the type mod is there already, in public/mod"),
        ({"subplugintypes": {"quizaccess": "rule"}}, "the type quizaccess is there already"),
        ({"subplugintypes": {"kind": "/VICTIM"}}, "is not below public/mod/poll/"),
        ({"plugintypes": {"kind": "local"}}, "is not below public/mod/poll/"),
        ({"subplugintypes": {"../x": "kind"}}, "can't be a type of plugins"),
        ({"subplugintypes": {"kind": 3}}, "Expected `str`"),
    ],
)
def test_a_plugin_has_its_subplugins_below_itself_and_gives_no_type_another_folder(
    tmp_path: Path, moodle: Path, subplugins: object, said: str
) -> None:
    (tmp_path / "zips").mkdir()
    text = json.dumps(subplugins).replace("VICTIM", f"{tmp_path}/victim")
    content = plugin_zip("mod_poll", 2026010100, files={"db/subplugins.json": text})
    (tmp_path / "zips/poll.zip").write_bytes(content)
    with served(tmp_path / "zips") as address:
        lock = zip_lock(("mod_poll", 2026010100, f"{address}/poll.zip", content))
        scratch = image_repository(tmp_path / "mono", {"plugins.lock": lock})
        done = context(scratch, tmp_path / "out", "site", MOODLE_DIR=str(moodle))
    assert done.code == 19
    assert said in done.err
    assert "plugins.lock:3" in done.err
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("lib/components.json", "{"),
        ("lib/components.json", json.dumps({"plugintypes": {"mod": "public/mod", "local": "../../local"}})),
        ("public/mod/quiz/db/subplugins.json", "["),
    ],
)
def test_a_moodle_whose_types_of_plugins_cannot_be_read_is_refused(tmp_path: Path, file: str, text: str) -> None:
    folder = moodle_folder(tmp_path / "moodle", {file: text})
    done = context(image_repository(tmp_path / "mono"), tmp_path / "out", "site", MOODLE_DIR=str(folder))
    assert done.code == 19
    assert f"{file} is not what it has to be" in done.err


@pytest.mark.parametrize("path", ["../out", "/etc/x", "a//b", "a/../../b", "file/b", "link/b", "link", "."])
def test_nothing_is_written_outside_of_a_context_or_through_a_link(tmp_path: Path, path: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    made = Context(tmp_path / "made", 1)
    made.put(Entry("file", b""))
    made.link("link", str(tmp_path / "elsewhere"))
    with pytest.raises(InputsRefused):
        made.put(Entry(path, b""))
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["elsewhere", "file", "link", "made"]


def test_plugins_are_locked_by_their_address(tmp_path: Path) -> None:
    (tmp_path / "zips").mkdir()
    for name, version in (("mod_poll", 2026010100), ("local_zoo", 2026010200)):
        (tmp_path / f"zips/{name}.zip").write_bytes(plugin_zip(name, version))
    (tmp_path / "zips/no.zip").write_bytes(b"no zip")
    scratch = image_repository(tmp_path / "mono")
    with served(tmp_path / "zips") as address:
        urls = [f"{address}/{name}.zip" for name in ("mod_poll", "local_zoo")]
        scratch.run("image", "plugins", "add", *urls).ok()
        wanted = zip_lock(
            *(
                (name, version, f"{address}/{name}.zip", (tmp_path / f"zips/{name}.zip").read_bytes())
                for name, version in (("local_zoo", 2026010200), ("mod_poll", 2026010100))
            )
        )
        assert scratch.text("plugins.lock").partition("\n")[2] == wanted
        (tmp_path / "zips/mod_poll.zip").write_bytes(plugin_zip("mod_poll", 2026020200))
        listed = scratch.run("image", "plugins", "add", urls[0], "--json").ok().json["plugins"]
        assert [(one["name"], one["version"]) for one in listed] == [("mod_poll", 2026020200)]
        before = scratch.text("plugins.lock")
        assert before.count("name: mod_poll") == 1
        done = scratch.run("image", "plugins", "add", f"{address}/no.zip")
        assert done.code == 5
        assert "is no plugin's zip" in done.err
        assert scratch.text("plugins.lock") == before


@pytest.mark.parametrize(
    ("folder", "name"), [("My Review", "my-review"), ("a..b_-c", "a-b-c"), ("Überblick", "berblick"), ("é", "images")]
)
def test_an_image_has_a_name_that_engines_take_whatever_the_folder_is_called(
    tmp_path: Path, folder: str, name: str
) -> None:
    listed = image_repository(tmp_path / folder).run("image", "list", "--json").ok().json["images"]
    assert {one["name"]: one["reference"] for one in listed}["tiny"] == f"localhost/{name}/tiny:0.1.0"


def test_an_unknown_image_a_full_folder_and_an_unknown_platform_are_errors(tmp_path: Path) -> None:
    scratch = image_repository(tmp_path / "mono")
    done = context(scratch, tmp_path / "out", "nope")
    assert (done.code, "name one of " in done.err) == (5, True)
    done = context(scratch, tmp_path, "tiny")
    assert (done.code, "is not empty" in done.err) == (11, True)
    done = context(scratch, tmp_path / "out", "tiny", "--platform", "windows/amd64")
    assert (done.code, "images aren't built for windows/amd64" in done.err) == (5, True)
