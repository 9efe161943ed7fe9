"""Jobs ``test-KIND`` and ``test-moodle``: nox sessions for the components that a change affects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from release.ci.change import Change
from release.ci.expression import Template, context
from release.ci.matrix import Group, shards
from release.ci.moodle import PHP, branch_name
from release.ci.part import Part
from release.ci.site import Site
from release.ci.steps import nox, opening, toolchain
from release.ci.workflow import Cell, Job

__all__ = ["TEST"]

_KINDS = {"crate": "crate", "plugin": "plugin", "python": "Python package", "chart": "chart"}


def _jobs(site: Site) -> Sequence[Job]:
    jobs = []
    for kind in _KINDS:
        session = site.test(kind) if site.has(kind) else None
        if session is not None:
            jobs.append(_job(site, kind, session))
    session = site.moodle_session() if site.has("plugin") else None
    if session is not None:
        jobs.append(_moodle(site, session))
    return jobs


def _job(site: Site, kind: str, session: str) -> Job:
    check = nox(site, "Run the session", session, COMPONENTS=context("matrix.components"))
    return Job(
        id=f"test-{kind}",
        name=Template.of(f"test {_KINDS[kind]}: ", context("matrix.name")),
        why=f"Tests of each {_KINDS[kind]} that the change affects.",
        runner=site.config.ci.runner,
        minutes=site.config.ci.timeout,
        steps=(*opening(site, history=True, caches=True), *toolchain(site, kind, *_bundled(site, kind)), check),
        axes=("name", "components"),
        select=partial(_components, kind),
        again=f"COMPONENTS=NAME {site.nox(session)}",
    )


def _bundled(site: Site, kind: str) -> tuple[str, ...]:
    """Return the kinds of what components of ``kind`` carry: a plugin is tested with the library of this machine."""
    return ("crate",) if kind == "plugin" and site.natives else ()


def _components(kind: str, change: Change) -> Sequence[Cell]:
    return shards([Group({}, change.names(kind))])


def _moodle(site: Site, session: str) -> Job:
    variables = {
        "COMPONENTS": context("matrix.components"),
        "MOODLE_BRANCH": context("matrix.branch"),
        "DB": context("matrix.database"),
        "DB_IMAGE": context("matrix.image"),
    }
    return Job(
        id="test-moodle",
        name=Template.of("test in Moodle: ", context("matrix.name")),
        why="moodle-plugin-ci on each affected plugin, in every Moodle branch it supports, with each PHP and database.",
        runner=site.config.ci.runner,
        minutes=min(2 * site.config.ci.timeout, 360),
        steps=(
            *opening(site, caches=True),
            *toolchain(site, "plugin", *_bundled(site, "plugin"), php=context("matrix.php")),
            nox(site, "Run the session", session, **variables),
        ),
        axes=("name", "components", "branch", "php", "database", "image"),
        select=_crossed(site),
        again=f"COMPONENTS=NAME MOODLE_BRANCH=… DB=… {site.nox(session)}",
    )


def _crossed(site: Site) -> Callable[[Change], Sequence[Cell]]:
    moodle = site.config.ci.moodle
    assert moodle is not None
    databases = {database.value: image for database, image in moodle.databases.items()}

    def select(change: Change) -> Sequence[Cell]:
        plugins = change.names("plugin")
        return shards(
            [
                Group(
                    {"branch": branch_name(branch), "php": php, "database": database, "image": image},
                    tuple(name for name in plugins if branch in site.branches[name]),
                    f"Moodle {branch}, PHP {php}, {database}",
                )
                for branch, versions in PHP.items()
                for php in versions
                for database, image in databases.items()
            ]
        )

    return select


TEST = Part("test", "ci", "Tests the components that a change affects.", _jobs)
