"""The registry of the catalogue, in the order in which workflows and their jobs are written."""

from __future__ import annotations

from release.ci.catalogue.ci import CI
from release.ci.catalogue.codeql import CODEQL
from release.ci.catalogue.helm_diff import HELM_DIFF
from release.ci.catalogue.helm_rollout import HELM_ROLLOUT
from release.ci.catalogue.image_build import IMAGE_BUILD
from release.ci.catalogue.images import IMAGES
from release.ci.catalogue.lint import LINT
from release.ci.catalogue.pins_update import PINS_UPDATE
from release.ci.catalogue.release import RELEASE
from release.ci.catalogue.scorecard import SCORECARD
from release.ci.catalogue.terraform_apply import TERRAFORM_APPLY
from release.ci.catalogue.terraform_drift import TERRAFORM_DRIFT
from release.ci.catalogue.terraform_plan import TERRAFORM_PLAN
from release.ci.catalogue.test import TEST
from release.ci.part import Part

__all__ = ["PARTS"]

PARTS: tuple[Part, ...] = (
    CI,
    LINT,
    TEST,
    IMAGE_BUILD,
    HELM_DIFF,
    TERRAFORM_PLAN,
    IMAGES,
    RELEASE,
    TERRAFORM_APPLY,
    TERRAFORM_DRIFT,
    HELM_ROLLOUT,
    PINS_UPDATE,
    CODEQL,
    SCORECARD,
)
