"""What the catalogue has to know about a repository."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from release.ci.moodle import branches
from release.ci.oidc import claims
from release.ci.pins import Pins
from release.errors import ConfigError, Place, WorkspaceError
from release.formats import bundle_json, image_yaml, version_php
from release.model.component import Component, Tree
from release.publish.settings import image_address
from release.rollout.config_rules import refuse
from release.terraform.roots import check_roots
from release.workspace.config import CONFIG, Config, locate
from release.workspace.delivery import Environment

__all__ = ["NOXFILE", "Image", "Site", "sessions"]

NOXFILE = "noxfile.py"
USUAL_LINT = ("lint", "typecheck", "docs", "workflows")
USUAL_TEST = {"crate": "rust", "plugin": "php", "python": "tests", "image": "image", "chart": "chart"}


@dataclass(frozen=True, slots=True)
class Image:
    """Where an image is built and where it is pushed to (without tag; ``None``: nowhere)."""

    name: str
    path: str
    repository: str | None


@dataclass(frozen=True)
class Site:
    """A repository as workflows see it."""

    config: Config
    content: bytes | None
    """``release.yaml``, for the places of errors."""
    components: Mapping[str, Component]
    branches: Mapping[str, tuple[int, ...]]
    """The Moodle branches that each plugin is for."""
    images: Mapping[str, Image]
    natives: Mapping[str, tuple[str, ...]]
    """The targets that each plugin's libraries are built for, of plugins that have any."""
    sessions: frozenset[str] | None
    """The nox sessions of the repository; ``None`` when it has no noxfile."""
    pins: Pins

    @classmethod
    def of(cls, tree: Tree, config: Config, components: Mapping[str, Component], pins: Pins) -> Site:
        """Return what ``tree`` says."""
        found = tree.read_many([CONFIG, NOXFILE])
        content = found.get(CONFIG)
        refuse(config, content, components)
        check_roots(tree, config, content)
        claims(config, content)
        plugins = [one for one in components.values() if one.kind == "plugin"]
        return cls(
            config,
            content,
            components,
            {one.name: _branches(tree, one) for one in plugins},
            {one.name: _image(tree, one, config) for one in components.values() if one.kind == "image"},
            {one.name: targets for one in plugins if (targets := _targets(tree, one))},
            sessions(found[NOXFILE]) if NOXFILE in found else None,
            pins,
        )

    def has(self, kind: str) -> bool:
        """Tell whether there is a component of ``kind``."""
        return any(one.kind == kind for one in self.components.values())

    @property
    def lint(self) -> tuple[str, ...]:
        """The nox sessions that look at the whole repository."""
        if self.config.ci.lint is None:
            return tuple(name for name in USUAL_LINT if name in (self.sessions or ()))
        for number, name in enumerate(self.config.ci.lint):
            self._known_session(name, "ci", "lint", str(number))
        return self.config.ci.lint

    def test(self, kind: str) -> str | None:
        """Return the nox session that tests components of ``kind``; ``None``: they have none."""
        configured = self.config.ci.test.get(kind)
        if configured is not None:
            return self._known_session(configured, "ci", "test", kind)
        usual = USUAL_TEST.get(kind)
        return usual if usual in (self.sessions or ()) else None

    def moodle_session(self) -> str | None:
        """Return the nox session that tests plugins inside a Moodle; ``None``: none is wanted."""
        moodle = self.config.ci.moodle
        return None if moodle is None else self._known_session(moodle.session, "ci", "moodle")

    def environment(self, name: str, *keys: str) -> Environment:
        """Return the environment ``name``, which the configuration names at ``keys``.

        Raises:
            ConfigError: it is not among ``environments``.
        """
        found = self.config.environments.get(name)
        if found is None:
            raise self.error(
                f"there is no environment {name!r}",
                f"add it below `environments`; there are: {', '.join(self.config.environments) or 'none'}",
                *keys,
            )
        return found

    def error(self, what: str, fix: str, *keys: str) -> ConfigError:
        """Return the error about what stands at ``keys`` of ``release.yaml``."""
        return ConfigError(f"{CONFIG}: {what}", where=[self.place(*keys)], fix=fix)

    def place(self, *keys: str) -> Place:
        """Return where ``keys`` lead in ``release.yaml``."""
        return locate(self.content, *keys)

    @property
    def pushed(self) -> tuple[Image, ...]:
        """The images that have a place to be pushed to."""
        return tuple(image for image in self.images.values() if image.repository is not None)

    def nox(self, session: str) -> str:
        """Return the command that runs a nox session."""
        return self.tool(f"nox -s {shlex.quote(session)}")

    def tool(self, command: str) -> str:
        """Return ``command`` (which begins with ``release`` or ``nox``) as a step calls it."""
        launcher = self.config.ci.launcher
        return f"{launcher} {command}" if launcher else command

    def _known_session(self, name: str, *keys: str) -> str:
        if self.sessions is not None and name not in self.sessions:
            raise self.error(
                f"{NOXFILE} has no session {name!r}",
                f"name one of its sessions: {', '.join(sorted(self.sessions)) or 'there are none'}",
                *keys,
            )
        return name


def sessions(noxfile: bytes) -> frozenset[str]:
    """Return the names of the sessions that ``noxfile.py`` defines; it is read, not run."""
    try:
        module = ast.parse(noxfile)
    except (SyntaxError, ValueError):
        return frozenset()
    return frozenset(_session_names(module.body))


def _session_names(body: Iterable[ast.stmt]) -> Iterable[str]:
    for node in body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            target = call.func if call is not None else decorator
            if isinstance(target, ast.Attribute | ast.Name) and ast.unparse(target) in ("nox.session", "session"):
                named = [word.value for word in call.keywords if word.arg == "name"] if call is not None else []
                yield str(named[0].value) if named and isinstance(named[0], ast.Constant) else node.name


def _image(tree: Tree, component: Component, config: Config) -> Image:
    """Return the image; an OCI destination's repository goes before what ``image.yaml`` says.

    Raises:
        WorkspaceError: the two are different places.
    """
    own = image_yaml.parse(tree.read(component.manifest), component.manifest).repository
    published = image_address(config.publish, component)
    if own is not None and published is not None and own != published:
        raise WorkspaceError(
            f"the image {component.name} is pushed to {own}, but published to {published}",
            where=[component.declared],
            fix=f"remove `repository` from {component.manifest}, or write {published} there",
        )
    return Image(component.name, component.path, published or own)


def _targets(tree: Tree, plugin: Component) -> tuple[str, ...]:
    path = f"{plugin.path}/bundle.json".lstrip("/")
    content = tree.read_many([path]).get(path)
    crates = bundle_json.parse(content, path).crates if content is not None else ()
    return tuple(dict.fromkeys(native.target for crate in crates for native in crate.natives))


def _branches(tree: Tree, plugin: Component) -> tuple[int, ...]:
    facts = version_php.parse(tree.read(plugin.manifest), plugin.manifest)
    requires = facts.requires.value if facts.requires is not None else None
    return branches(facts.branches, requires if isinstance(requires, int) else None)
