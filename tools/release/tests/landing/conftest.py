"""The stage of every landing test: a copy of one that is made once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from landing.stage import Stage, State


@pytest.fixture(autouse=True)
def own_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's git configuration and identity out."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.make(tmp_path_factory.mktemp("stage") / "original")


@pytest.fixture
def stage(original: Stage, tmp_path: Path) -> Stage:
    return original.copy(tmp_path / "stage")


@pytest.fixture(scope="session")
def released(original: Stage, tmp_path_factory: pytest.TempPathFactory) -> State:
    """Return what a release that nothing interrupts leaves, here and on the remote."""
    stage = original.copy(tmp_path_factory.mktemp("released") / "stage")
    process = stage.start()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    return stage.state()
