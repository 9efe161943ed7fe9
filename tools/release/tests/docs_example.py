"""The repositories in which the commands of the documents are run, the same objects on every machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["NOW", "REPOSITORY", "environment", "example", "foreign"]

IMPORTED = 1767603600  # 2026-01-05 09:00 UTC
NOW = 1772442000  # 2026-03-02 09:00 UTC
_HOUR = 3600

REPOSITORY = "example"
"""The name of the work tree's folder."""

_FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nresolver = "3"\n',
    "crates/greet/Cargo.toml": (
        '[package]\nname = "greet"\nversion = "0.4.1"\nedition = "2024"\n\n'
        '[dependencies]\ngreet-core = { path = "../greet-core", version = "0.2" }\n'
    ),
    "crates/greet/src/lib.rs": "pub use greet_core::greeting;\n",
    "crates/greet-core/Cargo.toml": '[package]\nname = "greet-core"\nversion = "0.2.0"\nedition = "2024"\n',
    "crates/greet-core/src/lib.rs": 'pub fn greeting() -> &\'static str {\n    "Hello"\n}\n',
    "plugins/local_hello/version.php": (
        "<?php\ndefined('MOODLE_INTERNAL') || die();\n\n"
        "$plugin->component = 'local_hello';\n$plugin->version   = 2025120100;\n$plugin->release   = '1.2.0';\n"
        "$plugin->requires  = 2025100600;\n"
    ),
    "plugins/local_hello/lang/en/local_hello.php": "<?php\n$string['pluginname'] = 'Hello';\n",
    "plugins/local_hello/bundle.json": (
        '{\n  "crates": {\n    "greet": {"version": "0.4.1", "binaries": []}\n  }\n}\n'
    ),
    "plugins/block_clock/version.php": (
        "<?php\ndefined('MOODLE_INTERNAL') || die();\n\n"
        "$plugin->component = 'block_clock';\n$plugin->version   = 2025110300;\n$plugin->release   = '2.0.3';\n"
        "$plugin->requires  = 2025100600;\n"
    ),
    "plugins/block_clock/CHANGES.md": "# Changelog\n\n## [Unreleased]\n",
    "plugins/block_clock/styles.css": ".clock { color: black }\n",
    "images/site/image.yaml": "name: site\nversion: 3.0.0\ncontains:\n  plugins: [local_hello, block_clock]\n",
    "images/site/CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n",
    "images/site/Dockerfile": "FROM scratch\n",
    "charts/site/CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n",
    "charts/site/Chart.yaml": "apiVersion: v2\nname: site-chart\nversion: 0.9.0\nappVersion: 3.0.0\n",
    "charts/site/values.yaml": 'image:\n  repository: example/site\n  tag: ""\n',
    "tools/hello/pyproject.toml": '[project]\nname = "hello-tools"\nversion = "0.3.0"\nrequires-python = ">=3.11"\n',
    "tools/hello/CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n",
    "tools/hello/hello.py": 'print("hello")\n',
}
_LOCK = """version = 4

[[package]]
name = "greet"
version = "0.4.1"
dependencies = [
 "greet-core",
]

[[package]]
name = "greet-core"
version = "0.2.0"
"""
_TAGS = (
    "block_clock-v2.0.3",
    "greet-core-v0.2.0",
    "greet-v0.4.1",
    "hello-tools-v0.3.0",
    "local_hello-v1.2.0",
    "site-chart-v0.9.0",
    "site-v3.0.0",
)
_CHANGES = (
    (
        "feat(greet-core): greet in the visitor's language",
        {"crates/greet-core/src/lib.rs": 'pub fn greeting() -> &\'static str {\n    "Bonjour"\n}\n'},
    ),
    (
        "fix(local_hello): name the plugin as it is called",
        {"plugins/local_hello/lang/en/local_hello.php": "<?php\n$string['pluginname'] = 'Hello!';\n"},
    ),
    (
        "style(block_clock): sort the rules",
        {"plugins/block_clock/styles.css": ".clock { background: white; color: black }\n"},
    ),
    (
        "fix(hello-tools): end with the right code",
        {"tools/hello/hello.py": 'print("hello")\nraise SystemExit(0)\n'},
    ),
)


def environment(home: Path, *, time: int = NOW) -> dict[str, str]:
    """Return the environment of the commands: nobody's settings, a fixed clock, `release` first on PATH."""
    bin_folder = home / "bin"
    bin_folder.mkdir(parents=True, exist_ok=True)
    shim = bin_folder / "release"
    if not shim.exists():
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m release "$@"\n')
        shim.chmod(0o755)
    kept = ("PATH", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "DOCKER_HOST", "DOCKER_CONFIG", "BUILDX_BUILDER")
    given = {name: os.environ[name] for name in kept if name in os.environ}
    return {
        **given,
        "PATH": f"{bin_folder}{os.pathsep}{given.get('PATH', os.defpath)}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("src")),
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ada Doe",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada Doe",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "GIT_AUTHOR_DATE": f"@{time} +0000",
        "GIT_COMMITTER_DATE": f"@{time} +0000",
        "SOURCE_DATE_EPOCH": str(time),
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }


def foreign(folder: Path) -> Path:
    """Make a monorepo below ``folder`` that never saw `release`, and return its work tree."""
    root = folder / REPOSITORY
    root.mkdir(parents=True)
    run = _Git(root, folder / "home")
    run("init", "--quiet", "--initial-branch=main", time=IMPORTED)
    _commit(run, root, "chore: import the components", {**_FILES, "Cargo.lock": _LOCK}, IMPORTED)
    return root


def example(folder: Path) -> Path:
    """Make a monorepo below ``folder`` released once and changed since, with its remote; return its work tree."""
    root = foreign(folder)
    run = _Git(root, folder / "home")
    run("init", "--quiet", "--bare", "--initial-branch=main", "../origin.git", time=IMPORTED)
    run("remote", "add", "origin", "../origin.git", time=IMPORTED)
    for tag in _TAGS:
        run("tag", "--annotate", "--message", tag, tag, time=IMPORTED)
    for number, (message, files) in enumerate(_CHANGES, 1):
        _commit(run, root, message, files, IMPORTED + number * _HOUR)
    run("push", "--quiet", "--tags", "--set-upstream", "origin", "main", time=NOW)
    return root


class _Git:
    """Runs git in one work tree at a given time."""

    def __init__(self, root: Path, home: Path) -> None:
        self._root = root
        self._home = home

    def __call__(self, *arguments: str, time: int) -> None:
        subprocess.run(
            ["git", *arguments],
            cwd=self._root,
            env=environment(self._home, time=time),
            check=True,
            capture_output=True,
        )


def _commit(run: _Git, root: Path, message: str, files: Mapping[str, str], time: int) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    run("add", "--all", time=time)
    run("commit", "--quiet", "--message", message, time=time)
