"""The all-green check: every job did what the plan job said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Ruling", "judge"]

RESULTS = ("success", "failure", "cancelled", "skipped")
"""What a job can end with, as the context ``needs`` has it."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """How one job ended, and whether that is what should have happened."""

    job: str
    result: str
    wanted: bool
    green: bool
    why: str


def judge(results: Mapping[str, str], plan: Mapping[str, bool]) -> tuple[Ruling, ...]:
    """Return a ruling about each job in ``results``, and one about each job of ``plan`` that is not among them.

    ``plan`` says which jobs should run; one it doesn't name always should. Green is: it should run and succeeded, or
    should not run and was skipped. A job that ran though it should not have shows that the workflow doesn't do what
    the plan says, so that is red too.
    """
    found = [_ruling(job, result, plan.get(job, True)) for job, result in results.items()]
    found += [
        Ruling(job, "missing", wanted, False, "the plan names it, but the workflow has no such job")
        for job, wanted in plan.items()
        if job not in results
    ]
    return tuple(found)


def _ruling(job: str, result: str, wanted: bool) -> Ruling:
    match result, wanted:
        case "success", True:
            return Ruling(job, result, wanted, True, "ran as planned")
        case "skipped", False:
            return Ruling(job, result, wanted, True, "nothing it looks at has changed")
        case "skipped", True:
            why = "skipped against the plan"
        case "success", False:
            why = "ran against the plan"
        case (("failure" | "cancelled"), _):
            why = "failed" if result == "failure" else "cancelled"
        case _:
            why = f"ended in a way that is not known: {result!r}"
    return Ruling(job, result, wanted, False, why)
