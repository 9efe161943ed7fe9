"""A scratch repository with a Terraform root, planned and applied by the real Terraform.

The root needs no provider: it is made of ``terraform_data``. Each environment's state is a file outside the repository.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scratch import Result, Scratch

__all__ = ["LOCK", "MAIN", "ROOT", "SECRET", "TERRAFORM", "Infra", "needs_terraform"]

TERRAFORM = shutil.which("terraform")
ROOT = "infra/site"
SECRET = "correct-horse-battery"
LOCK = f"{ROOT}/.terraform.lock.hcl"

needs_terraform = pytest.mark.skipif(TERRAFORM is None, reason="Terraform is not here")

MAIN = f"""terraform {{
  backend "local" {{}}
}}

variable "size" {{
  default = 1
}}

variable "password" {{
  default   = "{SECRET}"
  sensitive = true
}}

resource "terraform_data" "server" {{
  input = [var.size, var.password, "{SECRET}-plain"]
}}

module "app" {{
  source = "../modules/app"
}}

output "address" {{
  value = "{SECRET}-output"
}}
"""


class Infra:
    """The repository, with ``release tf`` to run in it; ``folder`` is where states and plans lie."""

    def __init__(self, folder: Path, main: str = MAIN, *, configured: bool = True) -> None:
        """Make the repository below ``folder``, committed once."""
        self.folder = folder
        self.repo = Scratch(folder / "repo")
        self.repo.environment["TF_CLI_CONFIG_FILE"] = os.devnull
        files = {
            f"{ROOT}/main.tf": main,
            LOCK: "# This file is maintained automatically.\n",
            "infra/modules/app/main.tf": 'resource "terraform_data" "app" {\n  input = "app"\n}\n',
            ".gitignore": ".terraform/\n",
            "README.md": "Infrastructure\n",
        }
        for environment in ("dev", "prod"):
            files[f"{ROOT}/{environment}.tfvars"] = f"size = {len(environment)}\n"
            files[f"{ROOT}/{environment}.tfbackend"] = f'path = "{folder}/{environment}.tfstate"\n'
        if configured:
            files["release.yaml"] = self.config()
        self.repo.commit("feat: the infrastructure", files)

    @staticmethod
    def config(root: str = ROOT, version: str = "1.11.4", environments: str = "dev, prod") -> str:
        """Return a ``release.yaml`` with one root."""
        return (
            "environments:\n  dev: {}\n  prod: {}\n"
            f"terraform:\n  version: {version}\n  store: s3://plans/tf\n  roots:\n"
            f"    - path: {root}\n      environments: [{environments}]\n"
        )

    @property
    def plan_file(self) -> Path:
        """The plan of ``dev``."""
        return self.folder / "dev.tfplan"

    @property
    def binding_file(self) -> Path:
        """Its binding."""
        return self.folder / "dev.tfplan.binding.json"

    def run(self, *args: str, env: Mapping[str, str] | None = None) -> Result:
        """Run ``release tf ARGS``."""
        return self.repo.run("tf", *args, env=env)

    def plan(self, *args: str, environment: str = "dev", out: Path | None = None) -> Result:
        """Plan an environment into :attr:`plan_file`."""
        return self.run("plan", ROOT, "--environment", environment, "--out", str(out or self.plan_file), *args)

    def apply(self, *args: str, plan: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
        """Apply :attr:`plan_file` with its binding."""
        return self.run("apply", str(plan or self.plan_file), "--require-binding", *args, env=env)

    def state(self, environment: str = "dev") -> dict[str, Any]:
        """Return the state of an environment, ``{}`` where there is none."""
        path = self.folder / f"{environment}.tfstate"
        return json.loads(path.read_text()) if path.exists() and path.stat().st_size else {}

    def serial(self, environment: str = "dev") -> int:
        """Return the state's serial, -1 where there is none."""
        return int(self.state(environment).get("serial", -1))

    def edit(self, **members: Any) -> None:
        """Change members of the binding as one would by hand, and its digest with them."""
        from release.model.edit import digest as sha256

        data = {**json.loads(self.binding_file.read_text()), **members}
        del data["digest"]
        text = json.dumps(data, sort_keys=True, indent=2) + "\n"
        data["digest"] = sha256(text.encode())
        self.binding_file.write_text(json.dumps(data, sort_keys=True, indent=2) + "\n")

    def wrapper(self, version: str) -> Path:
        """Return a program that is Terraform, but for the version that it says it is."""
        path = self.folder / f"terraform-{version}"
        path.write_text(
            "#!/bin/sh\n"
            f'if [ "$1" = version ]; then echo \'{{"terraform_version": "{version}"}}\'; exit 0; fi\n'
            f'exec "{TERRAFORM}" "$@"\n'
        )
        path.chmod(0o755)
        return path
