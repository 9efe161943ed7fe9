"""A monorepo with every kind of component, environment, root and stage, so that every workflow is needed."""

from __future__ import annotations

from pathlib import Path

from release.ci.site import Site
from release.flow.ci import survey_site
from release.repository.git import Repository
from scratch import Scratch, chart, crate, image, plugin, workspace_toml

__all__ = ["FILES", "RELEASE_YAML", "everything", "surveyed"]

_DIGEST = "c6222b54873a2fb19591cb06b93ef2825c03cdb680396e3600f24921f340f630"

RELEASE_YAML = f"""\
main: main
github: {{repository: acme/campus, repository-id: 7001, owner-id: 42}}
environments:
  dev:
    aws:
      region: eu-central-1
      plan: arn:aws:iam::111111111111:role/plan
      apply: arn:aws:iam::111111111111:role/apply
  staging:
    gcp:
      provider: projects/1/locations/global/workloadIdentityPools/github/providers/github
      plan: plan@acme.iam.gserviceaccount.com
      apply: apply@acme.iam.gserviceaccount.com
  production:
    azure:
      tenant: 00000000-0000-0000-0000-000000000001
      subscription: 00000000-0000-0000-0000-000000000002
      plan: 00000000-0000-0000-0000-000000000003
      apply: 00000000-0000-0000-0000-000000000004
  directory: {{}}
ci:
  egress: block
  endpoints: ["github.com:443", "api.github.com:443"]
  moodle:
    session: moodle
    databases:
      pgsql: docker.io/library/postgres:17@sha256:{_DIGEST}
      mariadb: docker.io/library/mariadb:11.4@sha256:{_DIGEST}
  setup:
    - {{name: Install libvips, kinds: [crate], run: sudo apt-get install --yes libvips-dev}}
    - {{name: Set up Node, kinds: [plugin], uses: actions/setup-node, inputs: {{node-version: 24}}}}
    - {{name: Install Zig, kinds: [bundle], run: pipx install cargo-zigbuild}}
terraform:
  version: 1.11.4
  store: s3://acme-plans/campus
  roots:
    - {{path: terraform/network, environments: [production]}}
    - {{path: terraform/site, environments: [dev, staging, production]}}
rollout:
  chart: campus-chart
  release: campus
  helm: 3.19.0
  stages:
    - {{name: canary, environment: dev, namespace: canary, cluster: dev, check: nox -s smoke}}
    - {{name: campus, environment: staging, cluster: staging, location: europe-west3, check: nox -s smoke}}
    - {{name: world, environment: production, cluster: world, location: moodle, check: nox -s smoke}}
publish:
  destinations:
    releases: {{to: github}}
    crates: {{to: cargo}}
    directory: {{to: moodle, environment: directory}}
    registry: {{to: oci, options: {{repository: ghcr.io/acme}}}}
  kinds:
    crate: [crates]
    plugin: [releases, directory]
    image: [registry]
    chart: [registry]
"""

_NOXFILE = "import nox\n" + "".join(
    f"\n\n@nox.session\ndef {name}(session):\n    session.log('{name}')\n"
    for name in ("lint", "rust", "php", "tests", "image", "chart", "moodle", "smoke")
)

FILES: dict[str, str] = {
    "release.yaml": RELEASE_YAML,
    "noxfile.py": _NOXFILE,
    "Cargo.toml": workspace_toml("crates/*"),
    "crates/core/Cargo.toml": crate("core"),
    "crates/core/src/lib.rs": "",
    "crates/fast/Cargo.toml": crate("fast", further='\n[dependencies]\ncore = { path = "../core", version = "0.1" }\n'),
    "crates/fast/src/lib.rs": "",
    "plugins/local_campus/version.php": plugin("local_campus").replace(
        "$plugin->maturity", "$plugin->supported = [501, 503];\n$plugin->maturity"
    ),
    "plugins/local_campus/lang/en/local_campus.php": "<?php\n$string['pluginname'] = 'Campus';\n",
    "plugins/local_campus/bundle.json": (
        '{"crates": {"fast": {"version": "0.1.0", "binaries": [\n'
        '{"path": "native/gnu/libfast.so", "target": "x86_64-unknown-linux-gnu", "glibc": "2.28"},\n'
        '{"path": "native/musl/libfast.so", "target": "aarch64-unknown-linux-musl"}]}}}\n'
    ),
    "plugins/block_clock/version.php": plugin("block_clock"),
    "plugins/block_clock/lang/en/block_clock.php": "<?php\n$string['pluginname'] = 'Clock';\n",
    "tools/campus/pyproject.toml": '[project]\nname = "campus-tools"\nversion = "0.1.0"\n',
    "images/campus/image.yaml": image("campus", further="contains: {plugins: [local_campus]}\n"),
    "images/campus/Dockerfile": "FROM scratch\n",
    "charts/campus/Chart.yaml": chart("campus-chart", app_version="1.0.0"),
    "charts/campus/values.yaml": "image: {repository: ghcr.io/acme/campus, tag: 1.0.0}\n",
    "charts/campus/templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: campus}\n",
    "terraform/network/main.tf": 'resource "terraform_data" "network" {}\n',
    "terraform/site/main.tf": 'module "site" {\n  source = "../modules/site"\n}\n',
    "terraform/modules/site/main.tf": 'resource "terraform_data" "site" {}\n',
    "README.md": "# Campus\n",
}


def everything(path: Path) -> Scratch:
    """Return the monorepo in ``path``, all of it in one commit."""
    repository = Scratch(path)
    repository.commit("feat: begin", FILES)
    return repository


def surveyed(repository: Scratch) -> Site:
    """Return what the catalogue of workflows has to know about ``repository``."""
    return survey_site(Repository.open(repository.path))
