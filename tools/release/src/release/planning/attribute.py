"""Which components a path belongs to, now and where they were before they moved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from release.model.component import Component

__all__ = ["Layout", "Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides beside the folder: files that release nothing, and further files of a component."""

    excluded: Callable[[str], bool]
    excluded_in: Mapping[str, Callable[[str], bool]]
    further: Mapping[str, Callable[[str], bool]]


class Layout:
    """Maps paths to components: the innermost folder owns a path; further paths are shared.

    ``folders`` is the folder (``""`` for the root) of each component; a component may have several, one for each
    place it was at.
    """

    def __init__(self, folders: Iterable[tuple[str, str]], changelogs: Mapping[str, str], rules: Rules) -> None:
        self._by_folder: dict[str, list[str]] = {}
        for folder, name in folders:
            self._by_folder.setdefault(folder, []).append(name)
        self._changelogs = {path: name for name, path in changelogs.items()}
        self._rules = rules
        self._owners: dict[str, frozenset[str]] = {}

    @classmethod
    def of(
        cls,
        components: Mapping[str, Component],
        rules: Rules,
        moved: Iterable[tuple[str, str]] = (),
        *,
        absent: Collection[tuple[str, str]] = (),
        changelogs: bool = True,
    ) -> Layout:
        """Return the layout of ``components`` with earlier (folder, name) places added, and without ``absent`` places.

        With ``changelogs`` a change of a component's changelog is no change of the component.
        """
        folders = [(component.path, name) for name, component in components.items()]
        earlier = [place for place in moved if place not in folders]
        places = [place for place in (*folders, *earlier) if place not in absent]
        logs = {name: component.changelog for name, component in components.items()} if changelogs else {}
        return cls(places, logs, rules)

    def owners(self, path: str) -> frozenset[str]:
        """Return the components that a change of ``path`` changes; none for excluded files and changelogs."""
        owners = self._owners.get(path)
        if owners is None:
            owners = self._owners[path] = frozenset(self._find(path))
        return owners

    def _find(self, path: str) -> Iterable[str]:
        if path in self._changelogs or self._rules.excluded(path):
            return
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            names = self._by_folder.get(folder)
            if names:
                for name in names:
                    excluded = self._rules.excluded_in.get(name)
                    if excluded is None or not excluded(path):
                        yield name
                break
        for name, matches in self._rules.further.items():
            if matches(path):
                yield name
