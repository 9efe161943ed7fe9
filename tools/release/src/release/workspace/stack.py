"""The key ``stack`` of ``release.yaml``: the local stack for developers."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from release.workspace.strict import Strict, says

__all__ = ["NAME", "Ports", "Stack", "StackDatabase", "StackImage"]

NAME = r"^[a-z0-9][a-z0-9_-]*$"
"""What Compose takes as the name of a project."""
_Name = Annotated[str, msgspec.Meta(pattern=NAME)]
_Word = Annotated[str, msgspec.Meta(pattern=r"^\S+$")]
_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_Variable = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class StackDatabase(enum.Enum):
    """What the site's database is."""

    PGSQL = "pgsql"
    MARIADB = "mariadb"


class StackImage(enum.Enum):
    """What an image of the stack is for."""

    MOODLE = "moodle"
    PGSQL = "pgsql"
    MARIADB = "mariadb"
    CACHE = "cache"
    S3 = "s3"
    MAIL = "mail"


class Ports(Strict, frozen=True, kw_only=True):
    """Where services are reached on 127.0.0.1; one that is taken is moved to the next that is free."""

    web: Annotated[_Port, says("The site.")] = 8080
    mail: Annotated[_Port, says("The page of the mail catcher.")] = 8025
    s3: Annotated[_Port, says("The S3 server.")] = 8333


class Stack(Strict, frozen=True, kw_only=True):
    """The local stack."""

    name: Annotated[_Name | None, says("The name of the Compose project, unless it is the folder's.")] = None
    moodle: Annotated[_Word, says("The image component of this repository that runs Moodle, or another image.")] = (
        "moodle"
    )
    database: Annotated[StackDatabase, says("The database, unless `release stack up --database` says another.")] = (
        StackDatabase.PGSQL
    )
    ports: Annotated[Ports, says("Where services are reached on 127.0.0.1.")] = Ports()
    images: Annotated[dict[StackImage, _Word], says("Other images than the usual ones.")] = {}
    environment: Annotated[dict[_Variable, str], says("More variables for Moodle's containers.")] = {}
    seed: Annotated[bool, says("Make a course, users and a quiz.")] = True
