"""``release.yaml``: what is particular to one repository, strictly checked.

The JSON Schema that editors use is made from the same types: ``release config schema``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from release.errors import ConfigError, Place
from release.formats.yaml import fast_loader
from release.model.component import EdgeKind
from release.model.version import Level, Version, ZeroPolicy, parse_version
from release.workspace.delivery import (
    Ci,
    Database,
    Egress,
    Environment,
    EnvironmentName,
    GitHub,
    Publish,
    Rollout,
    Severity,
    Terraform,
)
from release.workspace.images import Images
from release.workspace.stack import Stack, StackDatabase, StackImage
from release.workspace.strict import Strict, says

if TYPE_CHECKING:
    import yaml

__all__ = [
    "CONFIG",
    "Baseline",
    "ComponentConfig",
    "Config",
    "Overflow",
    "Propagate",
    "Unconventional",
    "effective",
    "load",
    "locate",
    "schema",
]

CONFIG = "release.yaml"


class Unconventional(enum.Enum):
    """What a commit counts for whose message is not conventional."""

    IGNORE = "ignore"
    PATCH = "patch"
    ERROR = "error"


class Overflow(enum.Enum):
    """What happens when a build number's last two digits are used up."""

    ERROR = "error"
    NEXT_DAY = "next-day"


class Propagate(enum.Enum):
    """The level that a whole gets from a bumped part."""

    NONE = "none"
    PATCH = "patch"
    SAME = "same"


class LevelName(enum.Enum):
    """A level as it is written in the configuration."""

    NONE = "none"
    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"


_Glob = Annotated[str, msgspec.Meta(min_length=1, description="a pattern as in .gitignore, from the root")]
_TagFormat = Annotated[
    str,
    msgspec.Meta(pattern=r"^[^{}\s]*(\{name\})?[^{}\s]*\{version\}[^{}\s]*$", description="{name} and {version}"),
]
_Channel = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][0-9A-Za-z-]*$")]


class ComponentConfig(Strict, frozen=True, kw_only=True):
    """What one component does differently."""

    exclude: Annotated[tuple[_Glob, ...], says("Files below it that release nothing, beside the general exclude.")] = ()
    paths: Annotated[tuple[_Glob, ...], says("Files elsewhere that it is made of too.")] = ()
    tag: Annotated[_TagFormat | None, says("The format of its tags.")] = None
    zero: Annotated[ZeroPolicy | None, says("Its policy below 1.0.0.")] = None
    channel: Annotated[_Channel | None, says("Release only pre-releases of this channel until it is removed.")] = None
    formerly: Annotated[tuple[str, ...], says("Names under which it was released before.")] = ()


class Baseline(Strict, frozen=True, kw_only=True):
    """Versions that count as released at ``commit``, for what has no tag."""

    commit: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40}([0-9a-f]{24})?$")]
    versions: Annotated[dict[str, str], says("The version of each component.")]


class Commits(Strict, frozen=True, kw_only=True):
    """How messages are weighed."""

    unconventional: Annotated[Unconventional, says("What a message counts for that is no Conventional Commit.")] = (
        Unconventional.IGNORE
    )
    types: Annotated[
        dict[str, LevelName],
        says("Levels of types, beside the usual ones (feat: minor; fix, perf, security, deps: patch; others: none)."),
    ] = {}


class Config(Strict, frozen=True, kw_only=True):
    """The whole of ``release.yaml``."""

    version: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    main: Annotated[str, says("The branch whose build numbers stay above those of all maintenance branches.")] = "main"
    maintenance: Annotated[
        tuple[str, ...],
        says("Branch name patterns on which a build number's date is frozen, oldest line first in natural order."),
    ] = ("MOODLE_*_STABLE",)
    tag: Annotated[_TagFormat, says("The format of tags: {name} and {version} are filled in.")] = "{name}-v{version}"
    zero: Annotated[ZeroPolicy, says("What breaking changes and features raise below 1.0.0.")] = ZeroPolicy.CARGO
    overflow: Annotated[Overflow, says("What happens when a build number's last two digits are used up.")] = (
        Overflow.ERROR
    )
    ignore: Annotated[tuple[_Glob, ...], says("Where no components are looked for.")] = ()
    exclude: Annotated[tuple[_Glob, ...], says("Files that release nothing.")] = ()
    everything: Annotated[
        tuple[_Glob, ...], says("Files whose change affects every component (release affected).")
    ] = ()
    ignore_tags: Annotated[tuple[str, ...], says("Tags that look like a component's and are not.")] = ()
    commits: Annotated[Commits, says("How commit messages are weighed.")] = Commits()
    propagation: Annotated[
        dict[EdgeKind, Propagate], says("The level that a whole gets from a bumped part, by kind of edge.")
    ] = {}
    components: Annotated[dict[str, ComponentConfig], says("What single components do differently.")] = {}
    baseline: Annotated[Baseline | None, says("Versions that count as released, for what has no tag.")] = None

    github: Annotated[GitHub | None, says("The repository on GitHub.")] = None
    environments: Annotated[
        dict[EnvironmentName, Environment], says("GitHub environments, in the order of promotion.")
    ] = {}
    ci: Annotated[Ci, says("How the workflows are made.")] = Ci()
    terraform: Annotated[Terraform | None, says("Root modules and their plans.")] = None
    rollout: Annotated[Rollout | None, says("A chart rolled out stage by stage.")] = None
    publish: Annotated[Publish, says("What is published where.")] = Publish()
    images: Annotated[Images, says("What images are built from.")] = Images()
    stack: Annotated[Stack, says("The local stack for developers.")] = Stack()

    def of(self, component: str) -> ComponentConfig:
        """Return what ``component`` does differently."""
        return self.components.get(component, _USUAL)

    def only(self, components: Collection[str]) -> Config:
        """Return this configuration without a baseline and without what is particular to other components."""
        kept = {name: config for name, config in self.components.items() if name in components}
        return msgspec.structs.replace(self, baseline=None, components=kept)

    def tag_format(self, component: str) -> str:
        """Return the format of ``component``'s tags with its name filled in."""
        return (self.of(component).tag or self.tag).replace("{name}", component)

    def level(self, type_: str) -> Level:
        """Return the level of a conventional type."""
        named = self.commits.types.get(type_)
        return Level[named.name] if named is not None else _TYPES.get(type_, Level.NONE)

    def propagate(self, kind: EdgeKind) -> Propagate:
        """Return how bumps travel along edges of ``kind``."""
        return self.propagation.get(kind, Propagate.NONE if kind is EdgeKind.CRATE_DEV else Propagate.PATCH)


_CHOICES: dict[str, type[enum.Enum]] = {
    "zero": ZeroPolicy,
    "overflow": Overflow,
    "unconventional": Unconventional,
    "propagation": Propagate,
    "types": LevelName,
    "egress": Egress,
    "severity": Severity,
    "databases": Database,
    "database": StackDatabase,
    "images": StackImage,
}
_USUAL = ComponentConfig()
_TYPES = {
    "feat": Level.MINOR,
    "fix": Level.PATCH,
    "perf": Level.PATCH,
    "security": Level.PATCH,
    "deps": Level.PATCH,
    "revert": Level.PATCH,
}


def load(content: bytes | None) -> Config:
    """Return the configuration in ``content``; ``None`` gives the usual one.

    Raises:
        ConfigError: with the place of what is wrong.
    """
    if content is None:
        return Config()
    import yaml

    try:
        text = content.decode("utf-8-sig")
        loader = fast_loader()(text)
        node = loader.get_single_node()
        data = loader.construct_document(node) if node is not None else {}
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{CONFIG} is not UTF-8 text: {error.reason}", where=[Place(CONFIG, line)], fix="save it as UTF-8"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = Place(CONFIG, mark.line + 1, mark.column + 1) if mark else Place(CONFIG)
        raise ConfigError(f"{CONFIG} is not YAML: {error.problem}", where=[place], fix="mend the syntax") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{CONFIG} is not YAML: {error}", where=[Place(CONFIG)], fix="mend the syntax") from None
    if node is not None:
        try:
            _refuse_duplicates(node)
        except RecursionError:
            raise ConfigError(
                f"{CONFIG}: a value holds itself, or values are nested too deeply",
                where=[_place(node, [])],
                fix="write the values out, without anchors",
            ) from None
    try:
        config = msgspec.convert(data, Config, strict=True)
    except msgspec.ValidationError as error:
        raise _explained(str(error), data, node) from None
    if config.baseline is not None:
        for name, version in config.baseline.versions.items():
            _version(name, version, node)
    return config


def effective(config: Config) -> dict[str, Any]:
    """Return ``config`` as plain data with all that it leaves out; :func:`load` reads it back to the same meaning."""
    data: dict[str, Any] = msgspec.to_builtins(config, str_keys=True)
    types = {**_TYPES, **{name: config.level(name) for name in config.commits.types}}
    data["commits"]["types"] = {name: str(level) for name, level in types.items()}
    data["propagation"] = {kind.value: config.propagate(kind).value for kind in EdgeKind}
    return {key: _without_none(value) for key, value in data.items() if value is not None}


def _without_none(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_none(value) for key, value in data.items() if value is not None}
    return data


def locate(content: bytes | None, *keys: str) -> Place:
    """Return where ``keys`` lead in the valid configuration ``content``, or how far they go."""
    node = fast_loader()(content.decode("utf-8-sig")).get_single_node() if content else None
    return _place(node, keys)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``release.yaml``."""
    found = msgspec.json.schema(Config)
    found["$defs"]["Config"]["properties"]["propagation"]["propertyNames"] = {"enum": [kind.value for kind in EdgeKind]}
    return found


def _explained(message: str, data: Any, node: yaml.Node | None) -> ConfigError:
    what, _, path = message.partition(" - at `")
    if path.startswith("key` in `"):
        path = f"{path.removeprefix('key` in `').rstrip('`')}[...]"
    steps: list[str] = re.findall(r"[^.\[\]$]+", path.rstrip("`").replace("[...]", "[*]"))
    while "*" in steps:
        at = steps.index("*")
        steps[at] = _culprit(data, steps[:at])
    unknown = re.search(r"unknown field `(.+?)`", what)
    allowed = _CHOICES.get(steps[-1] if len(steps) < 2 or steps[-2] not in _CHOICES else steps[-2]) if steps else None
    choices = f"; it can be {', '.join(str(choice.value) for choice in allowed)}" if allowed and "enum" in what else ""
    return ConfigError(
        f"{CONFIG}: {what[:1].lower()}{what[1:]}" + (f" at {'.'.join(steps)}" if steps else "") + choices,
        where=[_place(node, [*steps, unknown[1]] if unknown else steps)],
        fix="`release config schema` has every key; docs/release/configuration.md and delivery.md describe them",
    )


def _culprit(data: Any, steps: list[str]) -> str:
    """Return the key below ``steps`` whose entry alone is refused too; msgspec does not name keys of mappings."""
    for step in steps:
        data = data[step]
    for key, value in data.items():
        alone: Any = {key: value}
        for step in reversed(steps):
            alone = {"commit": "0" * 40, step: alone} if step == "versions" else {step: alone}
        try:
            msgspec.convert(alone, Config, strict=True)
        except msgspec.ValidationError:
            return str(key)
    return "?"


def _version(name: str, text: str, node: yaml.Node | None) -> Version:
    try:
        return parse_version(text)
    except ValueError:
        raise ConfigError(
            f"{CONFIG}: the baseline of {name} is {text!r}, which is not a semantic version",
            where=[_place(node, ["baseline", "versions", name])],
            fix="write MAJOR.MINOR.PATCH",
        ) from None


def _refuse_duplicates(node: yaml.Node) -> None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise ConfigError(
                    f"{CONFIG} has the key {key.value!r} twice",
                    where=[Place(CONFIG, key.start_mark.line + 1, key.start_mark.column + 1)],
                    fix="keep one of them",
                )
            seen.add(key.value)
            _refuse_duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicates(value)


def _place(node: yaml.Node | None, steps: Sequence[str]) -> Place:
    """Return where ``steps`` lead in the document, or how far they go."""
    import yaml

    here: yaml.Node | None = node
    mark = node.start_mark if node is not None else None
    for step in steps:
        if isinstance(here, yaml.MappingNode):
            key, here = next(((k, v) for k, v in here.value if k.value == step), (None, None))
            mark = key.start_mark if key is not None else mark
        elif isinstance(here, yaml.SequenceNode) and step.isdigit():
            here = here.value[int(step)]
            mark = here.start_mark
    return Place(CONFIG, mark.line + 1, mark.column + 1) if mark is not None else Place(CONFIG)
