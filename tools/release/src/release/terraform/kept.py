"""How plans lie in a store: each under its own SHA-256, and a pointer to the newest of each commit.

.. code-block:: text

    ROOT/ENVIRONMENT/COMMIT/SHA256.tfplan
    ROOT/ENVIRONMENT/COMMIT/SHA256.tfplan.binding.json
    ROOT/ENVIRONMENT/COMMIT/newest                         the SHA-256 of the plan made last

The first two are created and never replaced. The pointer is written when both are there.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from release.errors import PlanTampered, PlanUnbound
from release.terraform.bind import Planned, Target, beside
from release.terraform.stores.store import Store

__all__ = ["fetch", "keep"]


def keep(store: Store, planned: Planned) -> str:
    """Put a plan and its binding into ``store`` and let the commit's pointer lead to it; return the plan's key.

    Raises:
        TerraformFailed: the store refuses; what is there already is put once only when it is run again.
    """
    bound = planned.binding
    folder = _folder(bound.root, bound.environment, bound.commit)
    key = f"{folder}/{bound.plan}.tfplan"
    store.add(key, planned.plan)
    store.add(f"{key}.binding.json", planned.file)
    with tempfile.TemporaryDirectory(prefix="release-tf-") as made:
        pointer = Path(made, "newest")
        pointer.write_text(f"{bound.plan}\n")
        store.replace(f"{folder}/newest", pointer)
    return key


def fetch(store: Store, wanted: Target, commit: str, folder: Path, sha256: str | None) -> Path | None:
    """Fetch the newest plan of ``commit`` (or the one of ``sha256``) with its binding into ``folder``; return its path.

    ``None``: no plan of this commit is kept.

    Raises:
        PlanUnbound: the plan is not there, or its binding.
        PlanTampered: the pointer is none.
        TerraformFailed: the store gives no answer.
    """
    where = _folder(wanted.name, wanted.environment, commit)
    name = sha256
    if name is None:
        pointer = folder / "newest"
        if not store.fetch(f"{where}/newest", pointer):
            return None
        name = pointer.read_bytes().decode(errors="replace").strip()
        if not re.fullmatch("[0-9a-f]{64}", name):
            raise PlanTampered(f"{where}/newest in the store names no plan", fix="plan again, have it reviewed")
    plan = folder / f"{name}.tfplan"
    plan.touch(0o600)
    for file in (plan, beside(plan)):
        if not store.fetch(f"{where}/{file.name}", file):
            raise PlanUnbound(
                f"the store has no {where}/{file.name}", fix="plan again, have it reviewed and apply that"
            )
    return plan


def _folder(root: str, environment: str, commit: str) -> str:
    return f"{'_' if root == '.' else root}/{environment}/{commit}"
