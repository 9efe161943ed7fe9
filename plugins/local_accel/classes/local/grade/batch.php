<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

namespace local_accel\local\grade;

/**
 * The grades of some users in the items of one category, a column per item.
 *
 * Users ascend by id. Items ascend by id too, which is the order of ties; for each user, those without a row come last.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class batch {
    /** @var int Bit of a flag: the user has a row for the item. */
    public const ROW = 1;
    /** @var int Bit of a flag: a person excluded the grade from aggregation. */
    public const EXCLUDED = 2;

    /**
     * Take columns.
     *
     * @param int $users the number of users
     * @param list<list<float|null>> $grades by item and user, null for no grade
     * @param list<string> $flags by item: a byte per user, of the bits ROW and EXCLUDED
     * @param list<list<float>> $minima by item and user: the minimum in the user's row, read only where there is one
     * @param list<list<float>> $maxima by item and user: the maximum in the user's row, read only where there is one
     * @param string $active a byte per user: "\1" for a user whose total is aggregated, "\0" for one who is passed over
     */
    public function __construct(
        /** @var int The number of users. */
        public int $users,
        /** @var list<list<float|null>> By item and user, null for no grade. */
        public array $grades,
        /** @var list<string> By item: a byte per user, of the bits ROW and EXCLUDED. */
        public array $flags,
        /** @var list<list<float>> By item and user: the minimum in the user's row, read only where there is one. */
        public array $minima,
        /** @var list<list<float>> By item and user: the maximum in the user's row, read only where there is one. */
        public array $maxima,
        /** @var string A byte per user: "\1" for a user whose total is aggregated, "\0" for one who is passed over. */
        public string $active,
    ) {
    }
}
