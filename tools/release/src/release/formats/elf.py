"""Shared libraries of Linux (ELF), as far as it decides where one can be loaded.

Source: https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

__all__ = ["Library", "parse"]

_MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}
_GLIBC = "GLIBC_"


@dataclass(frozen=True, slots=True)
class Library:
    """The processor that a library is for, the libraries it needs, and the oldest glibc that has all it asks for.

    ``glibc`` is ``None`` where it asks for none, as libraries for musl do.
    """

    machine: str
    needs: tuple[str, ...]
    glibc: tuple[int, ...] | None


def parse(content: bytes) -> Library:
    """Return what ``content`` says.

    Raises:
        ValueError: it is no ELF file.
    """
    try:
        file = ELFFile(io.BytesIO(content))
        sections = list(file.iter_sections())
        needs = tuple(
            str(tag.needed)  # type: ignore[attr-defined]
            for section in sections
            if isinstance(section, DynamicSection)
            for tag in section.iter_tags("DT_NEEDED")
        )
        versions = [
            tuple(int(number) for number in version.name.removeprefix(_GLIBC).split("."))
            for section in sections
            if isinstance(section, GNUVerNeedSection)
            for _, wanted in section.iter_versions()
            for version in wanted
            if version.name.startswith(_GLIBC) and version.name[len(_GLIBC) :].replace(".", "").isdigit()
        ]
    except ELFError as error:
        raise ValueError(f"it is no ELF file: {error}") from None
    machine = str(file["e_machine"])
    return Library(_MACHINES.get(machine, machine), needs, max(versions, default=None))
