"""The registry of packagers, by the kind of component that each makes packages of."""

from __future__ import annotations

from release.publish.packages.chart import Chart
from release.publish.packages.crate import Crate
from release.publish.packages.packager import Packager
from release.publish.packages.plugin import Plugin

__all__ = ["PACKAGERS"]

PACKAGERS: dict[str, Packager] = {packager.kind: packager for packager in (Plugin(), Crate(), Chart())}
