"""The invariants of the repository, one rule per module."""

from __future__ import annotations

from release.checks.bundle_binaries import RULE as BUNDLE_BINARIES
from release.checks.cargo_lock_in_step import RULE as CARGO_LOCK_IN_STEP
from release.checks.chart_app_version import RULE as CHART_APP_VERSION
from release.checks.chart_dependencies import RULE as CHART_DEPENDENCIES
from release.checks.chart_image_digest import RULE as CHART_IMAGE_DIGEST
from release.checks.crate_requirements import RULE as CRATE_REQUIREMENTS
from release.checks.oci_version import RULE as OCI_VERSION
from release.checks.plugin_component_folder import RULE as PLUGIN_COMPONENT_FOLDER
from release.checks.plugin_db_change_version import RULE as PLUGIN_DB_CHANGE_VERSION
from release.checks.plugin_parsers_agree import RULE as PLUGIN_PARSERS_AGREE
from release.checks.plugin_requirements import RULE as PLUGIN_REQUIREMENTS
from release.checks.plugin_version_wellformed import RULE as PLUGIN_VERSION_WELLFORMED
from release.checks.python_requirements import RULE as PYTHON_REQUIREMENTS
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
    CRATE_REQUIREMENTS,
    CARGO_LOCK_IN_STEP,
    PYTHON_REQUIREMENTS,
    CHART_APP_VERSION,
    CHART_DEPENDENCIES,
    CHART_IMAGE_DIGEST,
    OCI_VERSION,
)
"""All rules, in the order in which they run."""
