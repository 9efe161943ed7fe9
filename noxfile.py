"""The checks of this repository, one session per job: `./dev nox` runs those marked with a star.

Sessions run in the one locked environment that ./dev makes. A toolchain that isn't installed (cargo, php)
skips its session and says what to install; with CI=true it is an error instead.
"""

from __future__ import annotations

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
TYPED = ["tools/release/src", "noxfile.py", "build-support", "bench", "dev"]
TESTS = "tools/release/tests"
DOC_TESTS = f"{TESTS}/test_docs.py"
COMPILE = ("pip", "compile", "--quiet", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links")
COMPILE_AGAIN = "--custom-compile-command=./dev nox -s lock"
TOOLCHAINS = {
    "cargo": "Rust, the version that Cargo.toml names or newer (rustup)",
    "php": "PHP 8.1 or newer (Debian: php-cli php-mbstring php-xml)",
    "phpunit": "PHPUnit (Debian: phpunit)",
}
PANTS_PYTHONS = ("3.9", "3.8", "3.7")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of Python, YAML, shell and Rust, and the ends of lines of every text file."""
    python(session, "ruff", "check")
    python(session, "ruff", "format", "--check")
    python(session, "yamllint", "--strict", ".")
    session.run("shellcheck", *shell_scripts())
    session.run(sys.executable, "build-support/text_files.py")
    session.run(sys.executable, "build-support/declared_imports.py")
    session.run("uv", "pip", "check", "--python", sys.executable, "--quiet")
    if shutil.which("cargo"):
        session.run("cargo", "fmt", "--check")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check the types of every Python file with mypy in strict mode."""
    python(session, "mypy", *(path for path in TYPED if Path(path).exists()))


@nox.session
def tests(session: nox.Session) -> None:
    """Test `release`; arguments after -- go to pytest in place of the whole suite."""
    python(session, "pytest", *(session.posargs or ["-n", "auto", TESTS, f"--ignore={DOC_TESTS}"]))


@nox.session
def docs(session: nox.Session) -> None:
    """Follow the links of the documents and run their commands."""
    python(session, "pytest", DOC_TESTS, *session.posargs)


@nox.session
def rust(session: nox.Session) -> None:
    """Check format and clippy of the crates and test them, with exactly what Cargo.lock names."""
    need(session, "cargo")
    session.run("cargo", "fmt", "--check")
    session.run("cargo", "clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings")
    session.run("cargo", "test", "--workspace", "--locked", *session.posargs)


@nox.session
def php(session: nox.Session) -> None:
    """Check the syntax of the plugins and, where its rules are here, Moodle's style; run their own tests."""
    need(session, "php")
    need(session, "phpunit")
    for file in sorted(Path("plugins").rglob("*.php")):
        session.run("php", "-l", str(file), silent=True)
    for config in sorted(Path("plugins").glob("*/phpunit.xml.dist")):
        session.run("phpunit", "--configuration", str(config))
    if knows_moodle_style():
        session.run("phpcs", "--standard=moodle", "plugins")
    else:
        session.warn("skipped: Moodle's coding style: `phpcs -i` knows no `moodle` (Composer: moodlehq/moodle-cs)")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure `release` beside its floor and its peers; arguments after -- go to bench/run.py."""
    session.run(sys.executable, "bench/run.py", *session.posargs)


@nox.session(default=False)
def pants(session: nox.Session) -> None:
    """Lint and test the whole repository through Pants; arguments after -- replace `lint test ::`."""
    goals = session.posargs or ["lint", "test", "::"]
    for program in TOOLCHAINS:
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


def python(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a Python tool of the environment that nox itself runs in."""
    session.run(sys.executable, "-m", module, *arguments)


def need(session: nox.Session, program: str) -> None:
    """Go on only when the program is on PATH."""
    if not shutil.which(program):
        lacking(session, f"`{program}` isn't here: install {TOOLCHAINS[program]}")


def lacking(session: nox.Session, message: str) -> NoReturn:
    """Skip the session; in CI, where that would hide a gap, fail it."""
    if os.environ.get("CI") == "true":
        session.error(message)
    session.skip(message)


def shell_scripts() -> list[str]:
    """Return the shell scripts of the repository that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.sh", ".ci/*"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(set(listed.stdout.split()))


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
