"""The plugins of a context with what their files say, for the rules about Moodle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from release.checks.rule import Context, Finding
from release.errors import Place
from release.formats import upgrade_php, version_php
from release.formats.upgrade_php import UpgradePhp
from release.formats.version_php import VersionPhp
from release.model.component import Component
from release.model.edit import Token

__all__ = ["PluginFiles", "plugins"]


@dataclass(frozen=True, slots=True)
class PluginFiles:
    """A plugin, its ``version.php`` as bytes and as facts."""

    context: Context
    component: Component
    content: bytes
    facts: VersionPhp

    @property
    def type(self) -> str:
        """The plugin's type: what stands before the first underscore of its name."""
        return self.component.native.partition("_")[0]

    def inside(self, path: str) -> str:
        """Return ``path``, given relative to the plugin's folder, relative to the repository."""
        return f"{self.component.path}/{path}" if self.component.path else path

    def upgrade(self) -> UpgradePhp | None:
        """Return what ``db/upgrade.php`` holds, ``None`` when the plugin has none."""
        path = self.inside("db/upgrade.php")
        content = self.context.tree.read_many([path]).get(path)
        return None if content is None else upgrade_php.parse(content, path)

    def finding(
        self,
        rule: str,
        what: str,
        token: Token | None,
        fix: str,
        *,
        path: str | None = None,
        severity: str = "error",
    ) -> Finding:
        """Return a finding at ``token`` of ``path`` (default: ``version.php``)."""
        where = path or self.component.manifest
        place = Place(where, token.line, token.column) if token else Place(where)
        return Finding(rule, what, place, fix, self.component.name, severity)


def plugins(context: Context) -> Iterator[PluginFiles]:
    """Yield the plugins of ``context`` in its order."""
    for component in context.components.values():
        if component.kind == "plugin":
            content = context.tree.read(component.manifest)
            yield PluginFiles(context, component, content, version_php.parse(content, component.manifest))
