"""What the stack consists of, for every configuration; no engine is needed."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from release.errors import ConfigError
from release.stack.compose import compose
from release.stack.model import Condition, Mount, Port, Service, Stack
from release.stack.site import Choices, Parts, images, own_image, site
from release.workspace.config import Config, load
from release.workspace.stack import Stack as Settings
from release.workspace.stack import StackDatabase, StackImage

FastLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
WORDS = st.text("abcxyz0189", min_size=1, max_size=8)
VALUES = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
CHOICES = st.builds(
    Choices,
    name=st.none() | WORDS,
    database=st.none() | st.sampled_from(StackDatabase),
    images=st.dictionaries(st.sampled_from(StackImage), WORDS),
    xdebug=st.booleans(),
    seed=st.none() | st.booleans(),
)
PARTS = st.builds(
    Parts,
    images=st.frozensets(st.sampled_from(["moodle", "dev"])),
    plugins=st.dictionaries(WORDS.map("plugins/{}".format), WORDS.map("public/local/{}".format)),
)
CONFIGS = st.dictionaries(WORDS.map("V{}".format), VALUES).map(
    lambda variables: Config(stack=Settings(environment=variables))
)


@settings(deadline=None, max_examples=25)
@given(CONFIGS, PARTS, CHOICES)
def test_the_compose_file_says_what_the_values_say(config: Config, parts: Parts, choices: Choices) -> None:
    stack = site(config, parts, choices)
    read = yaml.load(compose(stack), FastLoader)
    assert read.get("name", "") == stack.name
    assert list(read["services"]) == list(stack.services)
    for name, service in stack.services.items():
        there = read["services"][name]
        assert _plain(there["environment"] if service.environment else {}) == dict(service.environment)
        assert [_plain(word) for word in there.get("command", [])] == list(service.command)
        assert {need: Condition(how["condition"]) for need, how in there.get("depends_on", {}).items()} == service.needs
        assert [mount["target"] for mount in there.get("volumes", [])] == [mount.target for mount in service.mounts]


@settings(deadline=None, max_examples=25)
@given(CONFIGS, PARTS, CHOICES)
def test_the_same_data_gives_the_same_file(config: Config, parts: Parts, choices: Choices) -> None:
    turned = Parts(parts.images, dict(reversed(parts.plugins.items())))
    assert compose(site(config, parts, choices)) == compose(site(config, turned, choices))


@settings(deadline=None, max_examples=25)
@given(PARTS, CHOICES)
def test_nothing_is_reached_from_other_machines(parts: Parts, choices: Choices) -> None:
    read = yaml.load(compose(site(Config(), parts, choices)), FastLoader)
    ports = [port for service in read["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


@settings(deadline=None, max_examples=25)
@given(PARTS, CHOICES)
def test_moodle_runs_without_rights_and_reads_its_secrets_from_files(parts: Parts, choices: Choices) -> None:
    read = yaml.load(compose(site(Config(), parts, choices)), FastLoader)["services"]
    for name in {"install", "upgrade", "seed", "web", "cron", "adhoc"} & set(read):
        assert read[name]["read_only"] is True
        assert read[name]["cap_drop"] == ["ALL"]
        assert read[name]["security_opt"] == ["no-new-privileges:true"]
    for service in read.values():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable and "RANDOM" not in variable:
                assert variable.endswith("_FILE")
                assert value.startswith("/run/secrets/")


@settings(deadline=None, max_examples=25)
@given(PARTS, CHOICES)
def test_every_need_is_of_a_service_that_comes_before(parts: Parts, choices: Choices) -> None:
    seen: set[str] = set()
    for name, service in site(Config(), parts, choices).services.items():
        assert seen.issuperset(service.needs)
        seen.add(name)


def test_a_dollar_begins_no_variable_of_compose() -> None:
    stack = site(Config(stack=Settings(environment={"A": "a$b$$c"})), Parts(), Choices())
    assert yaml.safe_load(compose(stack))["services"]["web"]["environment"]["A"] == "a$$b$$$$c"


def test_a_service_that_needs_a_later_one_is_refused() -> None:
    with pytest.raises(ValueError, match="web needs"):
        Stack(
            "s",
            {"web": Service("web", "i", needs={"database": Condition.HEALTHY}), "database": Service("database", "i")},
        )


def test_two_services_on_one_port_are_refused_by_name() -> None:
    config = load(b"stack: {ports: {web: 8025}}")
    with pytest.raises(ConfigError, match=r"mail and web .* 8025"):
        site(config, Parts(), Choices())


def test_each_database_has_data_and_files_of_its_own() -> None:
    volumes = [set(site(Config(), Parts(), Choices(database=kind)).volumes) for kind in StackDatabase]
    assert volumes[0] & volumes[1] == {"mail", "s3"}
    assert all(len(one) == 4 for one in volumes)


def test_a_debugger_is_looked_for_only_when_asked_for() -> None:
    with_it, without = (site(Config(), Parts(), Choices(xdebug=wanted)).services["web"] for wanted in (True, False))
    assert with_it.environment["XDEBUG_CONFIG"] == "client_host=host.docker.internal"
    assert with_it.hosts == {"host.docker.internal": "host-gateway"}
    assert not without.hosts
    assert not any(name.startswith("XDEBUG") for name in without.environment)


def test_plugins_are_mounted_into_every_container_of_moodle() -> None:
    services = site(Config(), Parts(plugins={"plugins/local_x": "public/local/x"}), Choices()).services
    mount = Mount("./plugins/local_x", "/var/www/moodle/public/local/x")
    assert {name for name, service in services.items() if mount in service.mounts} == {
        "install", "upgrade", "seed", "web", "cron", "adhoc",
    }  # fmt: skip


def test_the_image_of_this_run_comes_before_the_configured_one_and_that_before_the_usual_one() -> None:
    text = b"""
    ci: {moodle: {databases: {pgsql: a/tested@sha256:%s}}}
    stack: {images: {mail: a/mail, s3: a/s3}}
    """ % (b"0" * 64)
    found = images(load(text), Parts(), Choices(images={StackImage.S3: "b/s3"}))
    assert found[StackImage.PGSQL].startswith("a/tested@")
    assert found[StackImage.MAIL] == "a/mail"
    assert found[StackImage.S3] == "b/s3"
    assert found[StackImage.MARIADB].startswith("docker.io/library/mariadb:")


def test_the_usual_images_of_services_are_pinned_by_digest() -> None:
    usual = images(Config(), Parts(), Choices())
    assert all("@sha256:" in image for kind, image in usual.items() if kind is not StackImage.MOODLE)


def test_a_release_of_the_image_leaves_the_compose_file_as_it_is() -> None:
    config = load(b"stack: {name: acme, moodle: dev}")
    assert own_image(config) == "localhost/acme/dev:stack"
    assert site(config, Parts(frozenset({"dev"})), Choices()).services["web"].image == "localhost/acme/dev:stack"
    assert site(config, Parts(), Choices()).services["web"].image == "dev"


def test_whatever_changes_what_a_container_is_made_from_changes_its_digest() -> None:
    service = site(Config(), Parts(), Choices()).services["web"]
    digests = {
        service.digest("a"),
        service.digest("b"),
        site(Config(), Parts(), Choices(xdebug=True)).services["web"].digest("a"),
        site(load(b"stack: {environment: {A: b}}"), Parts(), Choices()).services["web"].digest("a"),
        Service("web", service.image, ports=(Port(1, 2),)).digest("a"),
    }
    assert len(digests) == 5
    assert service.digest("a") == site(Config(), Parts(), Choices()).services["web"].digest("a")


def _plain(value: Any) -> Any:
    """Return ``value`` as Compose reads it: ``$$`` is a ``$``."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.replace("$$", "$")
