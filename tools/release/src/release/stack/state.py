"""What a machine keeps of its stack, in the folder ``.stack``: an id, passwords, ports, the running file.

Only its owner can enter the folder. The secrets within can be read by all: a container's user, who is nobody on the
host, reads them through a mount.
"""

from __future__ import annotations

import json
import os
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec

from release.errors import Place, StackFailed
from release.stack.compose import FILE
from release.stack.owner import Owner
from release.stack.ports import Given
from release.stack.site import FOLDER, PASSWORDS, SEED
from release.workspace.stack import Ports

__all__ = ["BUCKET", "S3_KEY", "State"]

S3_KEY = "moodle"
BUCKET = "moodle"
_LETTERS = string.ascii_letters + string.digits
_KIND = "-aA1"
"""Ends every password, so that it has a letter of each sort that Moodle's password policy asks for."""


@dataclass(frozen=True, slots=True)
class State:
    """The folder ``.stack`` below ``root``."""

    root: Path

    @property
    def folder(self) -> Path:
        """Where all of it is."""
        return self.root / FOLDER

    @property
    def file(self) -> Path:
        """The Compose file of the stack as it was last started."""
        return self.folder / FILE

    @property
    def known(self) -> bool:
        """Whether a stack was ever made from here."""
        return all((self._secrets / name).is_file() for name in PASSWORDS)

    @property
    def owner(self) -> Owner:
        """Whose the stack is."""
        return Owner.of(self.root)

    def prepare(self) -> None:
        """Make what is missing: the folder, its id, passwords, the S3 server's users, the seed.

        Raises:
            OSError: it can't be written.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.folder.chmod(0o700)
        self._secrets.mkdir(exist_ok=True)
        self._put(self.folder / ".gitignore", "*\n")
        if not Owner.path(self.root).exists():
            self._put(Owner.path(self.root), f"{secrets.token_hex(16)}\n")
        for name in PASSWORDS:
            if not (self._secrets / name).exists():
                self._put(self._secrets / name, "".join(secrets.choice(_LETTERS) for _ in range(16)) + _KIND)
        self._put(self._secrets / "s3.json", _s3_users(self.password("s3-secret-key")))
        self._put(self.folder / SEED, resources.files("release.stack").joinpath(SEED).read_text(encoding="utf-8"))

    def password(self, name: str) -> str:
        """Return one of the passwords."""
        return (self._secrets / name).read_text(encoding="utf-8")

    def ports(self, stack: str) -> Mapping[str, Given]:
        """Return the ports of the last start of the stack of that name, by the service's name.

        Raises:
            StackFailed: the file can't be read.
        """
        path = self._ports(stack)
        if not path.is_file():
            return {}
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Given])
        except msgspec.MsgspecError as error:
            place = Place(path.relative_to(self.root).as_posix())
            raise StackFailed(
                f"the ports of the last start can't be read: {error}", where=[place], fix="delete the file"
            ) from None

    def keep_ports(self, stack: str, wanted: Ports, given: Ports) -> None:
        """Keep the ports for the next start of the stack of that name."""
        got = msgspec.to_builtins(given)
        kept = {name: {"wanted": port, "given": got[name]} for name, port in msgspec.to_builtins(wanted).items()}
        self._put(self._ports(stack), json.dumps(kept, indent=2) + "\n")

    def write(self, compose: str) -> None:
        """Write the Compose file."""
        self._put(self.file, compose)

    def _ports(self, stack: str) -> Path:
        return self.folder / f"{stack}.ports.json"

    @property
    def _secrets(self) -> Path:
        return self.folder / "secrets"

    def _put(self, path: Path, text: str) -> None:
        """Write a file in one step, unless it has this text: a container keeps the file that it was given."""
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_text(text, encoding="utf-8")
        part.chmod(0o644)
        part.replace(path)


def _s3_users(key: str) -> str:
    """Return SeaweedFS's list of who may do what.

    Source: https://github.com/seaweedfs/seaweedfs/wiki/Amazon-S3-API
    """
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    credentials = [{"accessKey": S3_KEY, "secretKey": key}]
    return (
        json.dumps({"identities": [{"name": S3_KEY, "credentials": credentials, "actions": actions}]}, indent=2) + "\n"
    )
