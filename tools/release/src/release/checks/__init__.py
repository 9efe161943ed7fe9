"""The invariants of the repository, one rule per module."""

from __future__ import annotations

from release.checks.bundle_binaries import RULE as BUNDLE_BINARIES
from release.checks.plugin_component_folder import RULE as PLUGIN_COMPONENT_FOLDER
from release.checks.plugin_db_change_version import RULE as PLUGIN_DB_CHANGE_VERSION
from release.checks.plugin_parsers_agree import RULE as PLUGIN_PARSERS_AGREE
from release.checks.plugin_requirements import RULE as PLUGIN_REQUIREMENTS
from release.checks.plugin_version_wellformed import RULE as PLUGIN_VERSION_WELLFORMED
from release.checks.rule import Rule
from release.checks.upgrade_released_steps import RULE as UPGRADE_RELEASED_STEPS
from release.checks.upgrade_savepoints import RULE as UPGRADE_SAVEPOINTS

__all__ = ["RULES"]

RULES: tuple[Rule, ...] = (
    BUNDLE_BINARIES,
    PLUGIN_COMPONENT_FOLDER,
    PLUGIN_DB_CHANGE_VERSION,
    PLUGIN_PARSERS_AGREE,
    PLUGIN_REQUIREMENTS,
    PLUGIN_VERSION_WELLFORMED,
    UPGRADE_RELEASED_STEPS,
    UPGRADE_SAVEPOINTS,
)
"""All rules, in the order in which they run."""
