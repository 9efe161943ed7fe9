"""The files of a commit in a folder of their own, for tools that want a work tree."""

from __future__ import annotations

from pathlib import Path

from release.repository.git import Repository

__all__ = ["checkout"]

_PLAIN = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
"""Nothing of this machine's configuration: no filters, no conversion of line ends but what the tree asks for."""


def checkout(repository: Repository, commit: str, folder: Path) -> Path:
    """Return ``folder``, made a clean work tree of ``commit`` that borrows the objects of ``repository``.

    Its HEAD is the commit, so that tools which record it find it. The repository itself is not touched.

    Raises:
        GitStateError: git can't write it.
    """
    form = repository.text("rev-parse", "--show-object-format")
    repository.run("init", "-q", f"--object-format={form}", "--template=", "--", str(folder), env=_PLAIN)
    lent = folder / ".git" / "objects" / "info" / "alternates"
    lent.parent.mkdir(parents=True, exist_ok=True)
    lent.write_text(f"{repository.common_dir.resolve() / 'objects'}\n")
    place = ("-C", str(folder), "-c", "core.hooksPath=/dev/null")
    repository.run(*place, "checkout", "-q", "--detach", commit, "--", env=_PLAIN)
    return folder
