"""Show a plan to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from release.cli.console import cell, console, counted
from release.model.plan import Bump, CommitReason, GroupReason, PartReason, Plan, Reason, RequestReason

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["print_plan", "reason_text", "summary"]


def print_plan(plan: Plan) -> None:
    """Print a table of the bumps and a line on what the plan writes."""
    from release.formats.plan_json import digest

    out = console()
    if not plan.bumps:
        out.print("Nothing to release: nothing since the last releases raises a version.")
        return
    out.print(_table(plan))
    tags = sum(bump.tag is not None for bump in plan.bumps)
    counts = f"{counted(len(plan.bumps), 'component')}, {counted(len(plan.edits), 'file')}, {counted(tags, 'tag')}"
    out.print(f"{counts}; base {plan.base[:12]}, {digest(plan)[:19]}…")


def _table(plan: Plan) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("component", "kind", "from", "to", "build", "level", "why"):
        table.add_column(name, overflow="fold")
    for bump in plan.bumps:
        row = (
            bump.component,
            bump.kind,
            str(bump.before or "—"),
            str(bump.after),
            f"{bump.build_before} → {bump.build_after}" if bump.build_after is not None else "",
            str(bump.level),
            summary(bump),
        )
        table.add_row(*map(cell, row))
    return table


def summary(bump: Bump) -> str:
    """Return the weightiest reason of ``bump``, and how many more there are."""
    strongest = max(bump.reasons, key=lambda reason: reason.level, default=None)
    if strongest is None:
        return ""
    more = len(bump.reasons) - 1
    return reason_text(strongest) + (f" (+{more})" if more else "")


def reason_text(reason: Reason) -> str:
    """Return ``reason`` as a phrase."""
    match reason:
        case CommitReason():
            return f"{reason.commit[:7]} {reason.subject}"
        case PartReason():
            return f"{reason.part} {reason.before or 'new'} → {reason.after}"
        case GroupReason():
            return f"shares its version with {reason.member}"
        case RequestReason(by="declared"):
            return "the file's version was raised by hand"
        case RequestReason():
            return reason.by
