"""The registry of kinds, in the order in which components are listed."""

from __future__ import annotations

from release.workspace.kind import Kind
from release.workspace.kinds.chart import Chart
from release.workspace.kinds.crate import Crate
from release.workspace.kinds.image import Image
from release.workspace.kinds.plugin import Plugin
from release.workspace.kinds.python import Python

__all__ = ["KINDS"]

KINDS: dict[str, Kind] = {kind.name: kind for kind in (Plugin(), Crate(), Python(), Image(), Chart())}
