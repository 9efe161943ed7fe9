"""Checks that `release` imports only what its pyproject.toml declares.

Called without arguments in the environment of ./dev. There a package that only a development tool brings can
be imported too, so a forgotten declaration shows nowhere else until a user installs `release` alone.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "tools" / "release" / "src"
DISTRIBUTION = "moodle-release"


def main() -> int:
    """Print the imports that nothing declares and return the exit code."""
    declared = {normal(requirement) for requirement in requires(DISTRIBUTION) or ()}
    known = sys.stdlib_module_names | {folder.name for folder in SOURCES.iterdir()}
    providers = packages_distributions()
    findings = [
        f"{path.relative_to(ROOT)}:{line}: imports {module}, not declared in pyproject.toml"
        for path in sorted(SOURCES.rglob("*.py"))
        for module, line in imports(ast.parse(path.read_bytes(), path))
        if module not in known and declared.isdisjoint(map(normal, providers.get(module, ())))
    ]
    print("\n".join(findings) or "imports: all declared")
    return 1 if findings else 0


def normal(requirement: str) -> str:
    """Return the requirement's name in the one spelling that all spellings share."""
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name.group()).lower() if name else requirement


def imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield each imported top-level module with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        else:
            continue
        for name in names:
            yield name.partition(".")[0], node.lineno


if __name__ == "__main__":
    sys.exit(main())
