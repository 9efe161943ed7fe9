"""A saved plan, looked into: which state it was made from, and which configuration is in it.

A plan file is a ZIP archive. Besides the plan proper it holds the state and a copy of every configuration file it was
made from (``tfconfig/``, with ``modules.json`` as the list of modules):
https://github.com/hashicorp/terraform/tree/main/internal/plans/planfile
"""

from __future__ import annotations

import json
import posixpath
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from release.errors import FormatError, Place
from release.terraform.program import StateId

__all__ = ["Configuration", "configuration", "state_of"]

_DOWNLOADED = ".terraform"


@dataclass(frozen=True, slots=True)
class Configuration:
    """The local configuration in a plan: folders (POSIX, from the repository's top) and the files with their content.

    Modules that Terraform downloaded are not among them: their source and version are in the files that call them.
    """

    folders: frozenset[str]
    files: Mapping[str, bytes]


def state_of(plan: Path) -> StateId:
    """Return the state that ``plan`` was made from; where there was none its lineage is ``""`` and its serial 0.

    Raises:
        FormatError: it is no saved plan.
    """
    with _opened(plan) as archive:
        state = json.loads(archive.read("tfstate"))
        return StateId(str(state["lineage"]), int(state["serial"]))


def configuration(plan: Path, root: str) -> Configuration:
    """Return the local configuration that ``plan`` was made from, its root module being ``root``.

    Raises:
        FormatError: it is no saved plan.
    """
    with _opened(plan) as archive:
        folders = {}
        for module in json.loads(archive.read("tfconfig/modules.json")):
            where = posixpath.normpath(module["Dir"])
            if where.split("/")[0] != _DOWNLOADED:
                folder = posixpath.normpath(posixpath.join(root, where))
                folders[f"tfconfig/m-{module['Key']}"] = "" if folder == "." else folder
        files = {}
        for name in archive.namelist():
            above, _, base = name.rpartition("/")
            if above in folders:
                files[posixpath.join(folders[above], base)] = archive.read(name)
        return Configuration(frozenset(folders.values()), files)


@contextmanager
def _opened(plan: Path) -> Iterator[zipfile.ZipFile]:
    """Open a plan; whatever is wrong with its inside is one error."""
    try:
        with zipfile.ZipFile(plan) as archive:
            yield archive
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError):
        raise FormatError(
            f"{plan.name} is no saved Terraform plan",
            where=[Place(plan.name)],
            fix="name a file that `terraform plan -out` wrote",
        ) from None
