"""Repositories of many components for the generator of workflows: one commit, every kind, edges between them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stream import git

SESSIONS = ("lint", "rust", "php", "chart", "moodle")
DIGEST = "0" * 64
RELEASE_YAML = f"""\
main: main
ci:
  moodle:
    databases:
      pgsql: docker.io/library/postgres:17@sha256:{DIGEST}
      mariadb: docker.io/library/mariadb:11.4@sha256:{DIGEST}
publish:
  destinations:
    files: {{to: folder, options: {{path: out}}}}
    registry: {{to: oci, options: {{repository: ghcr.io/acme}}}}
  kinds: {{plugin: [files], image: [registry], chart: [registry]}}
"""


def made_site(cache: Path, components: int) -> Path:
    """Return a repository of `components` components whose workflows aren't generated yet, made anew each time."""
    folder = cache / "sites" / str(components)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch) / "site"
        for path, text in files(components):
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_text(text, encoding="utf-8")
        git(made, "init", "--quiet", "--initial-branch=main")
        git(made, "add", "--all")
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        git(made, *who, "commit", "--quiet", "--message=feat: begin")
        made.rename(folder)
    return folder


def files(components: int) -> Iterator[tuple[str, str]]:
    """Yield the path and text of each file: of six components three are plugins, one each a crate, image and chart."""
    yield "release.yaml", RELEASE_YAML
    yield "noxfile.py", "import nox\n" + "".join(f"\n\n@nox.session\ndef {one}(session): ...\n" for one in SESSIONS)
    yield "Cargo.toml", '[workspace]\nresolver = "2"\nmembers = ["crates/*"]\n'
    for number in range(components):
        group, place = divmod(number, 6)
        name = f"part{group:03d}"
        match place:
            case 0 | 1 | 2:
                yield from plugin(f"local_{name}{'abc'[place]}", f"local_part{group - 1:03d}a" if group else "")
            case 3:
                needs = (
                    f'part{group - 1:03d} = {{ path = "../part{group - 1:03d}", version = "0.1" }}\n' if group else ""
                )
                manifest = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\n{needs}'
                yield f"crates/{name}/Cargo.toml", manifest
                yield f"crates/{name}/src/lib.rs", ""
            case 4:
                manifest = f"name: img-{name}\nversion: 1.0.0\ncontains: {{plugins: [local_{name}a, local_{name}b]}}\n"
                yield f"images/{name}/image.yaml", manifest
                yield f"images/{name}/Dockerfile", "FROM scratch\n"
            case _:
                yield f"charts/{name}/Chart.yaml", f"apiVersion: v2\nname: chart-{name}\nversion: 1.0.0\n"
                image = f"image: {{repository: ghcr.io/acme/img-{name}, tag: 1.0.0}}\n"
                yield f"charts/{name}/values.yaml", image


def plugin(name: str, needs: str) -> Iterator[tuple[str, str]]:
    """Yield the files of a Moodle plugin that depends on `needs`, unless that is empty."""
    dependencies = f"$plugin->dependencies = ['{needs}' => 2025010100];\n" if needs else ""
    text = (
        f"<?php\ndefined('MOODLE_INTERNAL') || die();\n\n$plugin->component = '{name}';\n"
        "$plugin->version = 2025010100;\n$plugin->requires = 2024100700;\n$plugin->supported = [405, 503];\n"
        f"$plugin->release = '1.0.0';\n$plugin->maturity = MATURITY_STABLE;\n{dependencies}"
    )
    yield f"plugins/{name}/version.php", text
