"""Moodle's ``$plugin->version``: YYYYMMDDXX, which only ever rises.

Sources: https://moodledev.io/docs/apis/commonfiles/version.php and https://moodledev.io/docs/guides/upgrade/
(on a stable branch the date stays that of the fork and XX counts).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from release.errors import VersionRefused

__all__ = ["next_build"]

Named = tuple[str, int]
_HIGHEST = 99_99_99_99_99


def next_build(
    component: str,
    current: int | None,
    *,
    today: dt.date,
    floor: int | None = None,
    tagged: Sequence[Named] = (),
    first: bool = False,
    frozen: bool = False,
    here: str = "HEAD",
    below: Sequence[Named] = (),
    above: Sequence[Named] = (),
    next_day: bool = False,
) -> int:
    """Return the number after ``current``.

    ``tagged`` are the (tag, number) pairs it must be above, ``floor`` the newest live savepoint that it must reach.
    With ``first`` nothing was ever released, so the number that the author wrote is kept where it is high enough.
    With ``frozen`` (a maintenance branch) the date stays and only XX rises. ``below`` and ``above`` are the
    (branch, number) pairs of older and newer lines, between which it must stay. ``here`` names this line.

    Raises:
        VersionRefused: XX is used up, or a line's number would be passed.
    """
    least = max([0, *([current - first] if current is not None else []), *(number for _, number in tagged)])
    if first and current is not None:
        number = max(least + 1, floor or 0)
    elif frozen and current is not None:
        number = max(least + 1, floor or 0)
        if number // 100 != current // 100:
            raise VersionRefused(
                f"{component}: the date of {current} is frozen on {here}, and its last two digits can't reach {number}",
                fix="merge to a newer line, or give this line a new base number by hand",
            )
    else:
        number = max(_of(today), least + 1, floor or 0)
        if number == least + 1 and least % 100 == 99:
            if not next_day:
                raise VersionRefused(
                    f"{component}: the last two digits of {least} are used up",
                    fix=f"set `overflow: next-day` in release.yaml (gives {_following(least)}), or release tomorrow",
                )
            number = max(_following(least), floor or 0)
    if number > _HIGHEST:
        raise VersionRefused(
            f"{component}: {number} has more than ten digits, which is no YYYYMMDDXX",
            fix="lower the number that it comes from (the file's, a savepoint's or a tag's)",
        )
    for branch, other in below:
        if other >= number:
            raise VersionRefused(
                f"{component}: {number} on {here} would not be above {other} on the older line {branch}",
                fix=f"raise $plugin->version on {here} above {other}, or lower it on {branch} if it is unreleased",
            )
    for branch, other in above:
        if number >= other:
            raise VersionRefused(
                f"{component}: {number} on {here} would not be below {other} on the newer line {branch}: "
                f"sites could not upgrade from {here} to {branch}",
                fix=f"release on {branch} first, so that its number is higher",
            )
    return number


def _of(day: dt.date) -> int:
    return int(day.strftime("%Y%m%d")) * 100


def _following(number: int) -> int:
    """Return the first number of the first real day after that of ``number``."""
    date = number // 100
    try:
        day = dt.date(date // 10000, date // 100 % 100, date % 100)
    except ValueError:
        return (date + 1) * 100
    return _of(day + dt.timedelta(days=1))
