"""Lints generated workflows: those of this repository, and those of a monorepo that needs every workflow there is.

Called as `python build-support/lint_workflows.py ACTIONLINT`, in the environment that ./dev makes. Each linter has to
find a fault that was made on purpose first, so that one which looks at nothing isn't taken for a clean result.
What actionlint doesn't know yet is data (release.ci.gaps); an entry that is no longer needed is a fault as well.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from release.ci.gaps import GAPS

ROOT = Path(__file__).resolve().parent.parent
BAD = """\
name: bad
on: push
permissions: {}
jobs:
  bad:
    runs-on: ubuntu-24.04
    steps:
      - run: rm $HOME/${{ github.head_ref }}
"""


def main(actionlint: str) -> int:
    """Print the faults of both repositories; return 1 when there is one."""
    sys.path.insert(0, str(ROOT / "tools" / "release" / "tests"))
    from everything import everything

    with tempfile.TemporaryDirectory() as folder:
        bad = Path(folder) / "bad"
        workflows = bad / ".github" / "workflows"
        workflows.mkdir(parents=True)
        (workflows / "bad.yml").write_text(BAD)
        subprocess.run(["git", "init", "--quiet", str(bad)], check=True)
        faults = [f"{name} did not find the fault made on purpose" for name in blind(actionlint, bad)]
        every = everything(Path(folder) / "every")
        every.run("ci", "generate").ok()
        for root in (ROOT, every.path):
            faults += check(actionlint, root)
    print("\n".join(faults) or "workflows: clean")
    return 1 if faults else 0


def check(actionlint: str, root: Path) -> Iterator[str]:
    """Yield the faults of the workflows in `root`."""
    files = sorted((root / ".github" / "workflows").glob("*.yml"))
    print(f"workflows: {len(files)} of {root.name}: actionlint, shellcheck, zizmor, schema", flush=True)
    yield from actionlint_findings(actionlint, root)
    yield from stale_gaps(actionlint, root)
    yield from zizmor_findings(root, len(files))
    yield from schema_findings(root)


def blind(actionlint: str, bad: Path) -> Iterator[str]:
    """Yield the linters that say nothing of a workflow with an unquoted variable, an injection and no name."""
    found = "\n".join(actionlint_findings(actionlint, bad))
    yield from () if "SC2086" in found else ("shellcheck",)
    yield from () if "potentially untrusted" in found else ("actionlint",)
    yield from () if any("template-injection" in one for one in zizmor_findings(bad, 1)) else ("zizmor",)
    (bad / ".github" / "workflows" / "bad.yml").write_text(BAD.replace("runs-on", "runs-in"))
    yield from () if list(schema_findings(bad)) else ("the schema",)


def actionlint_findings(actionlint: str, root: Path, *options: str) -> list[str]:
    """Return what actionlint, and shellcheck for each script, find: `path:line: message`."""
    shellcheck = shutil.which("shellcheck") or "shellcheck"
    command = [actionlint, "-no-color", "-format={{json .}}", f"-shellcheck={shellcheck}", "-pyflakes=", *options]
    done = run(command, root, (0, 1))
    return [f"{one['filepath']}:{one['line']}: {one['message']}" for one in json.loads(done.stdout)]


def stale_gaps(actionlint: str, root: Path) -> Iterator[str]:
    """Yield what actionlint finds beyond the gaps that are known, and the gaps that it doesn't have any more."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as empty:
        found = actionlint_findings(actionlint, root, f"-config-file={empty.name}")
    gaps = [gap for gap in GAPS if gap.linter == "actionlint"]
    written = "\n".join(path.read_text() for path in sorted((root / ".github" / "workflows").glob("*.yml")))
    for gap in gaps:
        if gap.line.search(written) and not any(re.search(gap.message, line) for line in found):
            yield f"{root.name}: actionlint no longer says `{gap.message}`: remove it from release/ci/gaps.py"
    yield from (line for line in found if not any(re.search(gap.message, line) for gap in gaps))


def zizmor_findings(root: Path, files: int) -> Iterator[str]:
    """Yield what zizmor finds as its strictest persona, and a line when it didn't look at all the files."""
    options = ["--offline", "--persona=auditor", "--no-config", "--no-ignores", "--format=json", "--no-exit-codes"]
    done = run(["zizmor", *options, ".github/workflows"], root, (0,))
    for one in json.loads(done.stdout):
        place = one["locations"][0]["symbolic"]["key"]
        yield f"zizmor: {one['ident']}: {one['desc']}: {json.dumps(place)}"
    looked = done.stderr.count(" completed ")
    if looked != files:
        yield f"{root.name}: zizmor looked at {looked} of {files} workflows"


def schema_findings(root: Path) -> Iterator[str]:
    """Yield what doesn't fit the JSON schema of workflows."""
    files = sorted(map(str, (root / ".github" / "workflows").glob("*.yml")))
    done = run(["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files], root, (0, 1))
    if done.returncode:
        yield done.stdout.strip()


def run(command: list[str], folder: Path, expected: tuple[int, ...]) -> subprocess.CompletedProcess[str]:
    """Run the command; end with its output when its exit code is another than `expected`."""
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode not in expected:
        sys.exit(f"workflows: exit code {done.returncode} from: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
