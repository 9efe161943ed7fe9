"""The checks of this repository, one session per job: `./dev nox` runs those marked with a star.

Sessions run in the one locked environment that ./dev makes. A toolchain that isn't installed (cargo, php)
skips its session and says what to install; with CI=true it is an error instead.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "none"
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
TYPED = ["tools/release/src", "noxfile.py", "build-support", "bench", "dev", "images"]
TESTS = "tools/release/tests"
DOC_TESTS = f"{TESTS}/test_docs.py"
ACT_TESTS = f"{TESTS}/ci/test_act.py"
WITH_ENGINE = {
    "images": [f"{TESTS}/images/test_build.py", f"{TESTS}/images/test_push.py"],
    "stack": [f"{TESTS}/stack/{name}.py" for name in ("test_service_images", "test_up", "test_moodle")],
}
"""The tests of `release` that start containers, by the session that runs them."""
BESIDE_SERVICES = {"moodle-backup"}
"""The crates whose tests want databases and an S3 server: build-support/services.py."""
ACTIONLINT = "1.7.12"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moodle-platform"
COMPILE = ("pip", "compile", "--quiet", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links")
COMPILE_AGAIN = "--custom-compile-command=./dev nox -s lock"
TOOLCHAINS = {
    "cargo": "Rust, the version that rust-toolchain.toml names (rustup)",
    "go": "Go 1.26 or newer (https://go.dev/dl/)",
    "kubectl": "kubectl (https://kubernetes.io/docs/tasks/tools/)",
    "php": "PHP 8.1 or newer (Debian: php-cli php-mbstring php-xml)",
    "phpunit": "PHPUnit (Debian: phpunit)",
    "valgrind": "Valgrind (Debian: valgrind)",
}
FOR_MOODLE = {
    "docker": "Docker, for the database",
    "composer": "Composer, for moodle-plugin-ci",
    "php": "PHP in a version that the Moodle branch runs on",
}
ZIG_LOCK = "build-support/natives.lock"
ZIG_PYTHON = "CARGO_ZIGBUILD_PYTHON_PATH"
CDYLIB = "accel-ffi"
PANTS_PYTHONS = ("3.9", "3.8", "3.7")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of Python, YAML, shell, Dockerfiles and Rust, and the ends of lines of every text file."""
    python(session, "ruff", "check")
    python(session, "ruff", "format", "--check")
    python(session, "yamllint", "--strict", ".")
    session.run("shellcheck", *shell_scripts())
    session.run("hadolint", *dockerfiles())
    session.run(sys.executable, "build-support/text_files.py")
    session.run(sys.executable, "build-support/declared_imports.py")
    python(session, "release", "stack", "generate", "--check")
    session.run("uv", "pip", "check", "--python", sys.executable, "--quiet")
    if shutil.which("cargo"):
        session.run("cargo", "fmt", "--check")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check the types of every Python file with mypy in strict mode."""
    python(session, "mypy", *(path for path in TYPED if Path(path).exists()))


@nox.session
def tests(session: nox.Session) -> None:
    """Test `release`, or the Python packages that COMPONENTS names; arguments after -- go to pytest in their place."""
    if session.posargs:
        python(session, "pytest", *session.posargs)
        return
    folders = [f"{folder}/tests" for folder in components(session, "python")]
    others = [DOC_TESTS, ACT_TESTS, *(file for files in WITH_ENGINE.values() for file in files)]
    python(session, "pytest", "-n", "auto", *folders, *(f"--ignore={file}" for file in others))


@nox.session
def docs(session: nox.Session) -> None:
    """Follow the links of the documents and run their commands."""
    python(session, "pytest", DOC_TESTS, *session.posargs)


@nox.session
def workflows(session: nox.Session) -> None:
    """Check that the workflows are as generated, and lint them: actionlint, shellcheck, zizmor, the JSON schema."""
    python(session, "release", "ci", "generate", "--check")
    session.run(sys.executable, "build-support/lint_workflows.py", actionlint_path(session))


@nox.session
def act(session: nox.Session) -> None:
    """Execute generated workflows by act, without Docker, every action a stub."""
    if not shutil.which("act"):
        lacking(session, "`act` isn't in the environment of ./dev")
    python(session, "pytest", *(session.posargs or ["-n", "auto"]), ACT_TESTS)


@nox.session
def rust(session: nox.Session) -> None:
    """Check and test the crates, or those that COMPONENTS names, with exactly what Cargo.lock names."""
    need(session, "cargo")
    crates = list(components(session, "crate").values())
    session.run("cargo", "fmt", "--check")
    session.run(
        "cargo", "clippy", *packages(crates), "--all-targets", "--all-features", "--locked", "--", "--deny", "warnings"
    )
    alone = [name for name in crates if name not in BESIDE_SERVICES]
    if alone:
        session.run("cargo", "test", *packages(alone), "--locked", *session.posargs)
    optional = () if os.environ.get("CI") == "true" else ("--optional",)
    for name in sorted(BESIDE_SERVICES.intersection(crates)):
        command = ("cargo", "test", *packages([name]), "--all-features", "--locked", *session.posargs)
        session.run(sys.executable, "build-support/services.py", "run", *optional, "--", *command)


@nox.session
def php(session: nox.Session) -> None:
    """Check the syntax and, where its rules are here, Moodle's style of plugins, all or COMPONENTS; run their tests."""
    need(session, "php")
    need(session, "phpunit")
    folders = [Path(folder) for folder in components(session, "plugin")]
    native = library(session, "--features", "faults")
    for file in sorted(file for folder in folders for file in folder.rglob("*.php")):
        session.run("php", "-l", str(file), silent=True)
    for config in [folder / "phpunit.xml.dist" for folder in folders]:
        if config.exists():
            session.run("phpunit", "--configuration", str(config), env=native)
    if knows_moodle_style():
        session.run("phpcs", "--standard=moodle", *map(str, folders))
    else:
        session.warn("skipped: Moodle's coding style: `phpcs -i` knows no `moodle` (Composer: moodlehq/moodle-cs)")


@nox.session(default=False)
def sanitize(session: nox.Session) -> None:
    """Run the tests of the ABI between PHP and Rust under valgrind; arguments after -- go to the tests."""
    need(session, "cargo")
    need(session, "valgrind")
    leaks = "--leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite"
    runner = f"valgrind --quiet --error-exitcode=99 {leaks}"
    variable = f"CARGO_TARGET_{rust_host().upper().replace('-', '_')}_RUNNER"
    # The test of the header runs cbindgen and calls nothing of the library.
    files = sorted(path.stem for path in Path("crates", CDYLIB, "tests").glob("*.rs") if path.stem != "header")
    tests = [option for name in files for option in ("--test", name)]
    command = ("cargo", "test", "--package", CDYLIB, "--lib", *tests, "--locked", "--")
    session.run(*command, *session.posargs, env={variable: runner})


@nox.session(name="moodle-tree", default=False)
def moodle_tree(session: nox.Session) -> None:
    """Compare the accelerators with Moodle's own code and try faults, in throwaway sites from MOODLE_DIR.

    DATABASE chooses mariadb or pgsql; arguments after -- go to the fuzz of regrades.
    """
    need(session, "php")
    if not os.environ.get("MOODLE_DIR"):
        lacking(session, "MOODLE_DIR isn't set: name the folder of a Moodle 5.1 or newer in it")
    native = library(session)
    session.run("php", "plugins/local_accel/tests/formula_fuzz.php", env=native)
    fuzz = "public/local/accel/tests/fuzz"
    setting = ("--component=local_accel", "--name=librarypath", f"--set={native.get('ACCEL_LIBRARY', '')}")
    engines = ("native", "php") if native else ("php",)
    for database in os.environ.get("DATABASE", "mariadb pgsql").split():
        site = (sys.executable, "build-support/moodle_site.py", "run", "--database", database, "--", "php")
        session.run(*site, "admin/cli/cfg.php", *setting)
        for engine in engines:
            session.run(*site, f"{fuzz}/regrade.php", f"--engine={engine}", *session.posargs)
        session.run(*site, f"{fuzz}/faults.php")


@nox.session(name="bench-accel", default=False)
def bench_accel(session: nox.Session) -> None:
    """Measure the accelerators beside Moodle's own code; arguments after -- go to bench/accel/run.py.

    What is measured inside a Moodle wants MOODLE_DIR, the folder of an unchanged one.
    """
    need(session, "php")
    session.run(sys.executable, "bench/accel/run.py", *session.posargs, env=library(session))


@nox.session(default=False)
def natives(session: nox.Session) -> None:
    """Build the libraries of plugins for all their platforms; arguments after -- go to `release bundle build`."""
    need(session, "cargo")
    folder = zig_folder(session)
    session.run(
        *(sys.executable, "-m", "release", "bundle", "build", *session.posargs),
        env={"PATH": os.pathsep.join([os.environ["PATH"], str(folder)]), ZIG_PYTHON: f"{folder.parent}/bin/python"},
    )


@nox.session(default=False)
def zig(session: nox.Session) -> None:
    """Install what links libraries for every platform; later steps of a job on GitHub find it in their environment."""
    folder = zig_folder(session)
    for variable, line in (("GITHUB_PATH", str(folder)), ("GITHUB_ENV", f"{ZIG_PYTHON}={folder.parent}/bin/python")):
        if variable in os.environ:
            with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
    session.log(f"cargo-zigbuild is in {folder}")


@nox.session(default=False)
def moodle(session: nox.Session) -> None:
    """Test plugins inside a Moodle, by moodle-plugin-ci; COMPONENTS, MOODLE_BRANCH, DB and DB_IMAGE choose.

    It needs Docker, Composer with a network, git, a PHP that the branch runs on, and the client of the database
    (`psql` or `mysql`), with which moodle-plugin-ci makes the database.
    """
    for program, what in FOR_MOODLE.items():
        need(session, program, what)
    folders = components(session, "plugin")
    session.run(sys.executable, "build-support/moodle_plugins.py", str(CACHE / "moodle-plugin-ci"), *folders)


@nox.session(default=False)
def actionlint(session: nox.Session) -> None:
    """Build actionlint, if it isn't here, and say where it is."""
    session.log(actionlint_path(session))


@nox.session(default=False)
def images(session: nox.Session) -> None:
    """Try the images, or those that COMPONENTS names, as containers; arguments after -- go to pytest in their place.

    IMAGE is the one of COMPONENTS that is pushed already. MOODLE_DIR adds what needs a real Moodle. Without an engine,
    one is started.
    """
    found = components(session, "image")
    pushed = os.environ.get("IMAGE", "")
    given = {f"IMAGE_{name.upper().replace('-', '_')}": pushed for name in found.values() if pushed}
    if len(given) > 1:
        session.error(f"IMAGE is one image: name it alone in COMPONENTS, not {' '.join(found.values())}")
    tests = session.posargs or [*(f"{folder}/tests" for folder in found), *WITH_ENGINE["images"]]
    beside_engine(session, sys.executable, "-m", "pytest", *tests, env=given)
    documented(session, "images")


@nox.session(default=False)
def updates(session: nox.Session) -> None:
    """Tell which updates of Debian the images whose names follow -- lack."""
    beside_engine(session, sys.executable, "build-support/pending_updates.py", *session.posargs)


@nox.session(default=False)
def stack(session: nox.Session) -> None:
    """Start the local stack for real, with a small application or with MOODLE_DIR; arguments after -- go to pytest."""
    beside_engine(session, sys.executable, "-m", "pytest", *(session.posargs or WITH_ENGINE["stack"]))
    documented(session, "stack")


@nox.session(default=False)
def cluster(session: nox.Session) -> None:
    """Test rollouts with real Helm 3 and 4 on a real API server, built once; arguments after -- go to pytest."""
    need(session, "go")
    need(session, "kubectl")
    here = [sys.executable, "build-support/cluster/throwaway.py"]
    session.run(*here, "build")
    tests = session.posargs or ["-n", "2", f"{TESTS}/rollout", "-k", "not scripted"]
    session.run(*here, "run", sys.executable, "-m", "pytest", *tests)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure `release` beside its floor and its peers; arguments after -- go to bench/run.py."""
    session.run(sys.executable, "bench/run.py", *session.posargs)


@nox.session(default=False)
def pants(session: nox.Session) -> None:
    """Lint and test the whole repository through Pants; arguments after -- replace `lint test ::`."""
    goals = session.posargs or ["lint", "test", "::"]
    for program in ("cargo", "php", "phpunit"):
        need(session, program)
    session.run("cargo", "fetch", "--locked")
    if shutil.which("pants") and os.environ.get("PANTS_LAUNCHER") != "0":
        session.run("pants", *goals)
        return
    interpreter = next(filter(None, map(interpreter_path, PANTS_PYTHONS)), None)
    if interpreter is None:
        pythons = " or ".join(PANTS_PYTHONS)
        lacking(session, f"neither the `pants` launcher nor CPython {pythons} for PyPI's Pants is here")
    session.run(sys.executable, "build-support/pants_offline.py", interpreter, *goals)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write the locks anew from what they are made from; `-- --upgrade` takes the newest versions."""
    sources = [
        "--universal",
        "--python-version=3.11",
        "--group=pyproject.toml:dev",
        "tools/release/pyproject.toml",
    ]
    session.run("uv", *COMPILE, COMPILE_AGAIN, *sources, "--output-file=dev.lock", *session.posargs)
    sources = [
        "--python-version=3.9",
        "build-support/pants-offline.in",
        "--output-file=build-support/pants-offline.lock",
    ]
    session.run("uv", *COMPILE, COMPILE_AGAIN, *sources, *session.posargs)
    sources = ["--universal", "--python-version=3.11", "build-support/natives.in"]
    session.run("uv", *COMPILE, COMPILE_AGAIN, *sources, f"--output-file={ZIG_LOCK}", *session.posargs)


def beside_engine(session: nox.Session, *command: str, env: dict[str, str] | None = None) -> None:
    """Run a command beside a container engine: the one that answers, or one that is started for it."""
    session.run(sys.executable, "build-support/engine.py", "run", *command, env=env)


def documented(session: nox.Session, name: str) -> None:
    """Run the commands of the documents that say that the session `name` runs them."""
    command = (sys.executable, "-m", "pytest", DOC_TESTS, "-k", "commands_of_a_document")
    beside_engine(session, *command, env={"DOCS_RUN_BY": name})


def library(session: nox.Session, *options: str) -> dict[str, str]:
    """Build the library that PHP loads, with its checksum; return the variable that says where; none without cargo."""
    if not shutil.which("cargo") and os.environ.get("CI") != "true":
        session.warn("without the native library: `cargo` isn't here")
        return {}
    need(session, "cargo")
    command = ["cargo", "build", "--release", "--locked", "--package", CDYLIB, *options]
    session.log(" ".join(command))
    told = [*command, "--message-format=json-render-diagnostics"]
    done = subprocess.run(told, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    files = [Path(name) for line in done.stdout.splitlines() for name in json.loads(line).get("filenames", ())]
    made = next((file for file in files if file.name == f"lib{CDYLIB.replace('-', '_')}.so"), None)
    if done.returncode or made is None:
        session.error(f"cargo made no library of {CDYLIB}")
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    made.with_name(f"{made.name}.sha256").write_text(f"{digest}  {made.name}\n", encoding="utf-8")
    return {"ACCEL_LIBRARY": str(made)}


def zig_folder(session: nox.Session) -> Path:
    """Return a folder for PATH with cargo-zigbuild, beside the environment in which it finds Zig; made once."""
    lock = ROOT / ZIG_LOCK
    environment = CACHE / f"natives-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    folder = environment / "path"
    if not folder.exists():
        python = environment / "bin" / "python"
        session.run("uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(environment))
        session.run("uv", "pip", "install", "--quiet", "--require-hashes", "--python", str(python), "-r", str(lock))
        made = environment / "path.new"
        made.mkdir()
        (made / "cargo-zigbuild").symlink_to("../bin/cargo-zigbuild")
        made.rename(folder)
    return folder


def rust_host() -> str:
    """Return what Rust calls this machine."""
    said = subprocess.run(["rustc", "-vV"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return next(line.removeprefix("host: ") for line in said.splitlines() if line.startswith("host: "))


def python(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a Python tool of the environment that nox itself runs in."""
    session.run(sys.executable, "-m", module, *arguments)


def need(session: nox.Session, program: str, what: str = "") -> None:
    """Go on only when the program is on PATH; `what` says what it is, unless TOOLCHAINS does."""
    if not shutil.which(program):
        lacking(session, f"`{program}` isn't here: install {what or TOOLCHAINS[program]}")


def lacking(session: nox.Session, message: str) -> NoReturn:
    """Skip the session; in CI, where that would hide a gap, fail it."""
    if os.environ.get("CI") == "true":
        session.error(message)
    session.skip(message)


def packages(crates: list[str]) -> list[str]:
    """Return Cargo's options that choose crates."""
    return [option for name in crates for option in ("--package", name)]


def components(session: nox.Session, kind: str) -> dict[str, str]:
    """Return the folders of the components of a kind with their names: all, or those that COMPONENTS names."""
    command = [sys.executable, "-m", "release", "status", "--json"]
    listed = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    found = {one["name"]: one["path"] for one in listed["components"] if one["kind"] == kind}
    wanted = os.environ.get("COMPONENTS", "").split() or list(found)
    for name in wanted:
        if name not in found:
            session.error(f"COMPONENTS: there is no {kind} {name!r}: {' '.join(found)}")
    return {found[name]: name for name in wanted}


def actionlint_path(session: nox.Session) -> str:
    """Return the actionlint of the pinned version: ACTIONLINT, the one on PATH, or one built from source and kept."""
    built = CACHE / "bin" / "actionlint"
    for candidate in filter(None, [os.environ.get("ACTIONLINT"), shutil.which("actionlint"), str(built)]):
        if Path(candidate).exists():
            said = subprocess.run([candidate, "--version"], check=False, capture_output=True, text=True).stdout
            if said.split("\n")[0].removeprefix("v") == ACTIONLINT:
                return candidate
    need(session, "go", f"Go, which builds actionlint {ACTIONLINT}, or name that actionlint in ACTIONLINT")
    package = f"github.com/rhysd/actionlint/cmd/actionlint@v{ACTIONLINT}"
    session.run("go", "install", package, env={"GOBIN": str(built.parent)})
    return str(built)


def shell_scripts() -> list[str]:
    """Return the shell scripts of the repository: by name or by their first line."""
    return [name for name in files() if name.endswith(".sh") or begins_as_shell(ROOT / name)]


def dockerfiles() -> list[str]:
    """Return the Dockerfiles of the repository."""
    return [name for name in files() if Path(name).name == "Dockerfile"]


def files() -> list[str]:
    """Return the files of the repository that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return sorted(
        set(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines())
    )


def begins_as_shell(path: Path) -> bool:
    """Tell whether a file without an ending begins with a shell's name."""
    if path.suffix or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline().rstrip() in (b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash")


def knows_moodle_style() -> bool:
    """Tell whether PHP_CodeSniffer is here with the standard `moodle`."""
    if not shutil.which("phpcs"):
        return False
    listed = subprocess.run(["phpcs", "-i"], check=False, capture_output=True, text=True)
    return "moodle" in listed.stdout


def interpreter_path(version: str) -> str | None:
    """Return a CPython of that version that starts: the one on PATH (a shim may not), or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = shutil.which(f"python{version}")
    candidates = [found] if found else []
    candidates += [str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))]
    for candidate in candidates:
        if subprocess.run([candidate, "-c", "import venv"], check=False, capture_output=True).returncode == 0:
            return candidate
    return None
