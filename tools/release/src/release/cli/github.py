"""What GitHub Actions gives a step and takes from it: the event, outputs, the job's summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from release.errors import GitStateError
from release.model.edit import digest

if TYPE_CHECKING:
    from release.ci.event import Event

__all__ = ["event", "write_outputs", "write_summary"]


def event(environment: Mapping[str, str]) -> Event:
    """Return the event that GITHUB_EVENT_NAME and GITHUB_EVENT_PATH tell of.

    Raises:
        GitStateError: there is no event, or the file isn't JSON.
    """
    from release.ci.event import Event

    name, path = environment.get("GITHUB_EVENT_NAME"), environment.get("GITHUB_EVENT_PATH")
    if not name:
        raise GitStateError(
            "GITHUB_EVENT_NAME is not set: this doesn't run in GitHub Actions", fix="name the base with --base REF"
        )
    try:
        payload = json.loads(Path(path).read_bytes()) if path else {}
    except (OSError, ValueError) as error:
        raise GitStateError(f"GITHUB_EVENT_PATH: the event can't be read: {error}", fix="unset it or mend it") from None
    return Event.of(name, payload if isinstance(payload, dict) else {})


def write_outputs(environment: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Append ``outputs`` to the file that GITHUB_OUTPUT names, if it names one.

    Source, for those of several lines:
    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings
    """
    text = ""
    for name, value in outputs.items():
        if "\n" in value:
            end = f"end-{digest(value.encode())}"  # no line of the value can be it
            text += f"{name}<<{end}\n{value}\n{end}\n"
        else:
            text += f"{name}={value}\n"
    _append(environment.get("GITHUB_OUTPUT"), text)


def write_summary(environment: Mapping[str, str], markdown: str) -> None:
    """Append ``markdown`` to the job's summary, if there is one."""
    _append(environment.get("GITHUB_STEP_SUMMARY"), markdown)


def _append(path: str | None, text: str) -> None:
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
