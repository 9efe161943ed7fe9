"""Checks the key ``publish`` of ``release.yaml`` against the kinds of components and of destinations that there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from release.errors import ConfigError
from release.model.component import Component
from release.publish.destination import DestinationKind
from release.workspace.config import CONFIG, locate
from release.workspace.delivery import Publish
from release.workspace.kinds import KINDS

__all__ = ["check_publish", "image_address", "oci_address"]


def check_publish(publish: Publish, content: bytes | None, destinations: Mapping[str, DestinationKind]) -> None:
    """Refuse names that mean nothing; ``content`` is the file that ``publish`` was read from.

    Raises:
        ConfigError: with the place of the unknown kind, destination or option, or of where one is missing.
    """
    for name, destination in publish.destinations.items():
        place = ("publish", "destinations", name)
        kind = destinations.get(destination.to)
        if kind is None:
            raise _error(f"{destination.to!r} is no kind of destination", content, (*place, "to"), destinations)
        for option in destination.options:
            if option not in kind.options:
                what = f"a {kind.name} destination has no option {option!r}"
                raise _error(what, content, (*place, "options", option), kind.options)
        for option, required in kind.options.items():
            if required and not destination.options.get(option):
                raise ConfigError(
                    f"{CONFIG}: the destination {name} lacks the option {option!r}",
                    where=[locate(content, *place)],
                    fix=f"add options: {{{option}: …}}; see docs/release/publishing.md",
                )
    for kind_name, names in publish.kinds.items():
        if kind_name not in KINDS:
            raise _error(f"{kind_name!r} is no kind of component", content, ("publish", "kinds", kind_name), KINDS)
        for number, name in enumerate(names):
            if name not in publish.destinations:
                path = ("publish", "kinds", kind_name, str(number))
                raise _error(f"{name!r} is none of publish.destinations", content, path, publish.destinations)


def oci_address(option: str, component: Component) -> str:
    """Return where an OCI destination with the option ``repository`` has ``component``, without tag."""
    base = option.removeprefix("oci://").rstrip("/")
    return base.replace("{name}", component.native) if "{name}" in base else f"{base}/{component.native}"


def image_address(publish: Publish, image: Component) -> str | None:
    """Return where the first OCI destination of images has ``image``, without tag; ``None`` where there is none."""
    for name in publish.kinds.get("image", ()):
        destination = publish.destinations.get(name)
        if destination is not None and destination.to == "oci" and "repository" in destination.options:
            return oci_address(destination.options["repository"], image)
    return None


def _error(what: str, content: bytes | None, keys: tuple[str, ...], there_are: Iterable[str]) -> ConfigError:
    known = ", ".join(there_are)
    return ConfigError(
        f"{CONFIG}: {what}",
        where=[locate(content, *keys)],
        fix=f"write one of these: {known}" if known else "there are none yet",
    )
