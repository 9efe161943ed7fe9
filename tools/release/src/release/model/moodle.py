"""Facts about the branches of Moodle itself."""

from __future__ import annotations

__all__ = ["BRANCHES"]

BRANCHES: dict[int, int] = {
    22: 2011120500,
    23: 2012062500,
    24: 2012120300,
    25: 2013051400,
    26: 2013111800,
    27: 2014051200,
    28: 2014111000,
    29: 2015051100,
    30: 2015111600,
    31: 2016052300,
    32: 2016120500,
    33: 2017051500,
    34: 2017111300,
    35: 2018051700,
    36: 2018120300,
    37: 2019052000,
    38: 2019111800,
    39: 2020061500,
    310: 2020110900,
    311: 2021051700,
    400: 2022041900,
    401: 2022112800,
    402: 2023042400,
    403: 2023100900,
    404: 2024042200,
    405: 2024100700,
    500: 2025041400,
    501: 2025100600,
    502: 2026042000,
    503: 2026100500,
}
"""The version number of the first release of each branch, by branch number, in order.

Source: https://moodledev.io/general/releases. Later numbers of a stable branch raise only the last two
digits.
"""
