"""Libraries of plugins, built by a real Cargo in scratch monorepos, and what becomes of them in packages."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from releases import PLUGIN
from scratch import Result, Scratch, crate, workspace_toml

HELLO = "plugins/local_hello"
HOST = "x86_64-unknown-linux-gnu"
OTHER = "aarch64-unknown-linux-musl"
LIBRARY = f"{HELLO}/native/linux-x86_64-gnu/libgreet.so"
CDYLIB = '\n[lib]\ncrate-type = ["cdylib"]\n\n[dependencies]\npart = { path = "../part", version = "0.1" }\n'
SOURCE = """\
#[no_mangle]
pub extern "C" fn greet_answer() -> i32 {
    let numbers: Vec<i32> = (0..part::part()).collect();
    numbers.get(usize::try_from(part::part()).unwrap() - 1).copied().unwrap_or_default() + 2
}
"""


def _host() -> str:
    if shutil.which("rustc") is None:
        return ""
    said = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=False).stdout
    return next((line.removeprefix("host: ") for line in said.splitlines() if line.startswith("host: ")), "")


pytestmark = pytest.mark.skipif(_host() != HOST, reason=f"needs cargo on {HOST}")


def native(path: str, target: str, **more: str) -> dict[str, str]:
    return {"path": path.removeprefix(f"{HELLO}/"), "target": target, **more}


def bundle(*binaries: Mapping[str, str], version: str = "0.2.0") -> str:
    listed = binaries or (native(LIBRARY, HOST),)
    return json.dumps({"crates": {"greet": {"version": version, "binaries": listed}}}, indent=2) + "\n"


def made(path: Path, files: Mapping[str, str] | None = None) -> Scratch:
    """Return a monorepo whose plugin bundles the crate greet, which is built with the crate part."""
    scratch = Scratch(path)
    home = Path.home()
    scratch.environment |= {
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(home / ".cargo")),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(home / ".rustup")),
    }
    scratch.commit(
        "feat: start",
        {
            **PLUGIN,
            ".gitignore": "target/\n/plugins/*/native/*/\n",
            f"{HELLO}/bundle.json": bundle(),
            "Cargo.toml": workspace_toml("crates/*", further="\n[profile.release]\ndebug = 1\n"),
            "Cargo.lock": "version = 4\n\n"
            '[[package]]\nname = "greet"\nversion = "0.2.0"\ndependencies = [\n "part",\n]\n\n'
            '[[package]]\nname = "part"\nversion = "0.1.0"\n',
            "crates/greet/Cargo.toml": crate("greet", "0.2.0", CDYLIB),
            "crates/greet/src/lib.rs": SOURCE,
            "crates/part/Cargo.toml": crate("part"),
            "crates/part/src/lib.rs": "pub fn part() -> i32 {\n    41\n}\n",
            **(files or {}),
        },
    )
    return scratch


def without_zig(path: Path) -> dict[str, str]:
    """Return a PATH with nothing but the compiler of this machine and git."""
    path.mkdir()
    for name in ("cargo", "rustc", "cc", "gcc", "ld", "git", "as", "ar"):
        found = shutil.which(name)
        if found is not None:
            (path / name).symlink_to(found)
    return {"PATH": str(path)}


def build(scratch: Scratch, *args: str, **env: str) -> Result:
    return scratch.run("bundle", "build", *args, env=env)


def package(scratch: Scratch, *args: str) -> Result:
    return scratch.run("package", "local_hello", "--out", "out", *args)


def refused(result: Result, code: int, *words: str) -> None:
    assert result.code == code, result.out + result.err
    for word in words:
        assert word in result.err


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """Return a monorepo with its library built; tests work on copies of it."""
    scratch = made(tmp_path_factory.mktemp("built") / "work")
    build(scratch).ok()
    return scratch


@pytest.fixture
def work(built: Scratch, tmp_path: Path) -> Scratch:
    shutil.copytree(built.path, tmp_path / "work", symlinks=True)
    copy = Scratch(tmp_path / "work", init=False, clock=built.clock)
    copy.environment |= {name: built.environment[name] for name in ("CARGO_HOME", "RUSTUP_HOME")}
    return copy


def test_the_library_is_built_and_shipped_with_its_checksum_and_without_its_record(work: Scratch) -> None:
    content = (work.path / LIBRARY).read_bytes()
    assert ctypes.CDLL(str(work.path / LIBRARY)).greet_answer() == 42
    assert (
        subprocess.run(
            ["sha256sum", "--check", "libgreet.so.sha256"], cwd=(work.path / LIBRARY).parent, check=False
        ).returncode
        == 0
    )
    data = package(work, "--json").ok().json
    assert data["missing"] == {}
    with zipfile.ZipFile(work.path / data["packages"][0]["path"]) as archive:
        names = [name for name in archive.namelist() if "/native/" in name and not name.endswith("/")]
        inside = "hello/native/linux-x86_64-gnu/libgreet.so"
        assert names == [inside, f"{inside}.sha256"]
        assert archive.read(inside) == content
        assert archive.read(f"{inside}.sha256").decode() == f"{hashlib.sha256(content).hexdigest()}  libgreet.so\n"
    assert work.git("status", "--porcelain", "--untracked-files=all") in ("", f"?? {data['packages'][0]['path']}")


def test_two_clones_in_other_folders_build_the_same_bytes_and_no_path_of_the_machine(
    built: Scratch, tmp_path: Path
) -> None:
    other = built.clone(tmp_path / "another place" / "much deeper" / "down")
    other.environment |= {name: built.environment[name] for name in ("CARGO_HOME", "RUSTUP_HOME")}
    build(
        other,
        "local_hello",
        TMPDIR=str(tmp_path),
        RUSTFLAGS="-C opt-level=0 -C debuginfo=2",
        CARGO_PROFILE_RELEASE_DEBUG="true",
        CARGO_TARGET_DIR=str(tmp_path / "target"),
    ).ok()
    content = (other.path / LIBRARY).read_bytes()
    assert content == (built.path / LIBRARY).read_bytes()
    for folder in (tmp_path, built.path, built.environment["CARGO_HOME"]):
        assert str(folder).encode() not in content
    first, second = (
        one.run("package", "local_hello", "--out", str(tmp_path / one.path.name)).ok() for one in (built, other)
    )
    assert first.out.split()[0] == second.out.split()[0]


def test_a_library_that_is_not_the_built_one_is_refused(work: Scratch) -> None:
    library = work.path / LIBRARY
    content = library.read_bytes()
    library.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused(package(work), 16, "libgreet.so is not the file that was built", f"{HELLO}/bundle.json:7", HOST)
    library.write_bytes(content[: len(content) // 2])
    refused(package(work, "--partial"), 16, "is not the file that was built")
    library.write_bytes(content)
    checksum = library.with_name("libgreet.so.sha256")
    text = checksum.read_text()
    checksum.write_text(text.upper())
    refused(package(work), 16, "no .sha256 file that sha256sum could read")
    checksum.unlink()
    refused(package(work), 16, "no .sha256 file that sha256sum could read")
    checksum.write_text(text)
    package(work).ok()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("version", "0.1.9", "was built for the version 0.1.9, not 0.2.0"),
        ("target", OTHER, f"was built for the target {OTHER}"),
        ("crate", "part", "was built for the crate part"),
        ("glibc", "2.17", "was built for the glibc 2.17, not None"),
        ("sources", "0" * 64, "was built from other sources of greet"),
        ("more", "x", "no .build.json file that says what it was built from"),
        ("sources", None, "no .build.json file that says what it was built from"),
    ],
)
def test_a_record_of_something_else_is_refused(work: Scratch, key: str, value: str | None, said: str) -> None:
    record = (work.path / LIBRARY).with_name("libgreet.so.build.json")
    facts = {**json.loads(record.read_text()), key: value}
    record.write_text(json.dumps(facts))
    refused(package(work), 16, said)
    record.unlink()
    refused(package(work), 16, "no .build.json file")


@pytest.mark.parametrize(
    "path", ["crates/greet/src/lib.rs", "crates/part/src/lib.rs", "Cargo.lock", "crates/part/build/more.txt"]
)
def test_a_library_is_stale_after_a_commit_to_what_it_is_built_from(work: Scratch, path: str) -> None:
    package(work).ok()
    work.touch("docs: what it isn't built from", f"{HELLO}/lib.php", "crates/README.md")
    package(work).ok()
    work.write({path: (work.text(path) if (work.path / path).exists() else "") + "# not committed\n"})
    package(work).ok()
    work.commit("fix: what it is built from")
    refused(package(work), 16, "was built from other sources of greet than this commit has")
    package(work, "--at", "HEAD~1").ok()


def test_a_crate_of_another_version_is_neither_built_nor_packaged(work: Scratch) -> None:
    work.commit("fix: version", {"crates/greet/Cargo.toml": crate("greet", "0.3.0", CDYLIB)})
    said = "it bundles greet 0.2.0, but the crate is 0.3.0"
    refused(package(work), 16, said, f"{HELLO}/bundle.json:4:")
    refused(build(work), 16, said)


def test_an_incomplete_set_is_refused_unless_it_is_asked_for(work: Scratch) -> None:
    path = f"{HELLO}/native/linux-aarch64-musl/libgreet.so"
    work.commit("feat: one more", {f"{HELLO}/bundle.json": bundle(native(LIBRARY, HOST), native(path, OTHER))})
    inner = path.removeprefix(f"{HELLO}/")
    refused(package(work), 16, f"lists {inner}, which is not built", "--partial", f"{HELLO}/bundle.json:11")
    result = package(work, "--partial").ok()
    assert result.err == f"not for {OTHER}: {inner} is not built\n"
    assert package(work, "--partial", "--json").ok().json["missing"] == {OTHER: inner}
    shutil.rmtree(work.path / HELLO / "native")
    refused(package(work), 16, "which are not built")


def test_a_committed_library_of_a_target_is_refused_and_found(work: Scratch) -> None:
    work.git("add", "--force", LIBRARY)
    work.commit("feat: library")
    refused(package(work), 16, "is committed, but bundle.json has it built")
    found = work.run("check").out
    assert "it is to be built for each release" in found


def test_a_bump_of_the_part_of_the_crate_bumps_the_plugin(work: Scratch) -> None:
    work.tag("local_hello-v1.2.0", "greet-v0.2.0", "part-v0.1.0")
    work.commit("fix(part): more", {"crates/part/src/lib.rs": "pub fn part() -> i32 {\n    42\n}\n"})
    assert work.versions() == {"part": "0.1.1", "greet": "0.2.1", "local_hello": "1.2.1 2026010100"}
    work.run("bump").ok()
    assert json.loads(work.text(f"{HELLO}/bundle.json"))["crates"]["greet"]["version"] == "0.2.1"
    refused(package(work), 16, "was built for the version 0.2.0, not 0.2.1")
    build(work, "--at", "local_hello-v1.2.1").ok()
    package(work).ok()
    assert ctypes.CDLL(str(work.path / LIBRARY)).greet_answer() == 43


def test_a_missing_target_of_rust_is_named_with_the_command_that_installs_it(work: Scratch) -> None:
    path = f"{HELLO}/native/x/libgreet.so"
    work.commit("feat: one more", {f"{HELLO}/bundle.json": bundle(native(path, "s390x-unknown-linux-gnu"))})
    refused(build(work), 17, "can't build for s390x-unknown-linux-gnu", "rustup target add s390x-unknown-linux-gnu")
    work.commit("feat: odd", {f"{HELLO}/bundle.json": bundle(native(path, "odd-machine"))})
    refused(build(work), 17, "rustc --print=target-libdir --target=odd-machine", "target-list")
    refused(build(work, "--target", OTHER), 5, f"no bundle.json has a library for {OTHER}", "odd-machine")
    refused(build(work, "--host"), 5, f"no bundle.json has a library for {HOST}")
    refused(build(work, "greet"), 5, "there is no plugin greet")


def test_a_missing_linker_is_named_with_what_brings_one(work: Scratch, tmp_path: Path) -> None:
    target = "aarch64-unknown-linux-gnu"
    asked = subprocess.run(
        ["rustc", "--print=target-libdir", f"--target={target}"], capture_output=True, text=True, check=True
    )
    if not Path(asked.stdout.strip()).is_dir():
        pytest.skip(f"the Rust target {target} is not installed")
    path = f"{HELLO}/native/linux-aarch64-gnu/libgreet.so"
    work.commit("feat: one more", {f"{HELLO}/bundle.json": bundle(native(LIBRARY, HOST), native(path, target))})
    plain = without_zig(tmp_path / "bin")
    refused(
        build(work, "--target", target, **plain),
        17,
        "can't be built for aarch64-unknown-linux-gnu",
        "cargo-zigbuild",
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
    )
    assert build(work, "--host", **plain).ok().out.count("\n") == 1


def test_a_library_for_an_older_glibc_than_the_linker_has_is_refused(work: Scratch, tmp_path: Path) -> None:
    work.commit("feat: old", {f"{HELLO}/bundle.json": bundle(native(LIBRARY, HOST, glibc="2.4"))})
    plain = without_zig(tmp_path / "bin")
    refused(build(work, **plain), 17, "it needs glibc 2.", "bundle.json promises 2.4", "cargo-zigbuild")
    work.commit("feat: new", {f"{HELLO}/bundle.json": bundle(native(LIBRARY, HOST, glibc="2.999"))})
    assert "glibc 2." in build(work, **plain).ok().out
    package(work).ok()


def test_a_library_of_the_wrong_c_library_is_refused(work: Scratch) -> None:
    target = "x86_64-unknown-linux-musl"
    asked = subprocess.run(
        ["rustc", "--print=target-libdir", f"--target={target}"], capture_output=True, text=True, check=True
    )
    if not Path(asked.stdout.strip()).is_dir():
        pytest.skip(f"the Rust target {target} is not installed")
    work.commit("feat: musl", {f"{HELLO}/bundle.json": bundle(native(LIBRARY, target))})
    result = build(work, CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER="cc")
    refused(result, 17, "it came out linked with the GNU C library")


def test_a_path_of_the_machine_in_the_library_is_refused(work: Scratch) -> None:
    source = SOURCE + '#[no_mangle]\npub static GREET_AT: &[u8] = env!("CARGO_MANIFEST_DIR").as_bytes();\n'
    work.commit("feat: path", {"crates/greet/src/lib.rs": source})
    refused(build(work), 17, "of this machine in it")


def test_a_crate_that_makes_no_library_or_does_not_compile_is_refused(work: Scratch) -> None:
    work.commit("fix: broken", {"crates/greet/src/lib.rs": "fn broken( {\n"})
    refused(build(work), 17, "can't be built for", "error: ")
    plain = crate("greet", "0.2.0", CDYLIB.replace('\n[lib]\ncrate-type = ["cdylib"]\n', ""))
    work.commit("fix: plain", {"crates/greet/src/lib.rs": "", "crates/greet/Cargo.toml": plain})
    refused(build(work), 17, "makes no library that PHP could load", 'crate-type = ["cdylib"]')


def test_a_plugin_without_targets_has_nothing_to_build(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "work")
    scratch.commit("feat: start", PLUGIN)
    assert build(scratch, "local_hello").ok().out.startswith("Nothing to build")
    assert build(scratch, "--json").ok().json == {"libraries": []}
