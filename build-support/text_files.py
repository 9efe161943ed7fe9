"""Checks every text file: no blanks or carriage returns at ends of lines, one newline at the end of the file.

Called without arguments, anywhere in the repository. Prints each finding as file:line and exits with 1 when
there is one. Fixtures of tests and the licence are left as they are.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEFT_ALONE = ("LICENSE", "tools/release/tests/fixtures/")


def main() -> int:
    """Print the findings of all files and return the exit code."""
    findings = [finding for path in files() for finding in check(path, (ROOT / path).read_bytes())]
    print("\n".join(findings) or "text files: clean")
    return 1 if findings else 0


def files() -> list[str]:
    """Return the repository's files that git tracks, or would track, and that are ours to shape."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = sorted(set(filter(None, listed.split("\0"))))
    return [path for path in paths if not path.startswith(LEFT_ALONE) and (ROOT / path).is_file()]


def check(path: str, content: bytes) -> Iterator[str]:
    """Yield a line `path:line: what is wrong` for each finding; binary files have none."""
    if not content or b"\0" in content:
        return
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.endswith(b"\r"):
            yield f"{path}:{number}: carriage return at the end of the line"
        elif line != line.rstrip():
            yield f"{path}:{number}: blanks at the end of the line"
        elif line.startswith((b"<<<<<<< ", b">>>>>>> ")):
            yield f"{path}:{number}: merge conflict marker"
    if not content.endswith(b"\n"):
        yield f"{path}: no newline at the end of the file"
    elif content.endswith(b"\n\n"):
        yield f"{path}: blank lines at the end of the file"


if __name__ == "__main__":
    sys.exit(main())
