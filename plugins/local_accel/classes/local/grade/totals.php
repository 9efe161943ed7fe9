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
 * What a batch aggregates to.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class totals {
    /** @var int The item took no part. */
    public const UNKNOWN = 0;
    /** @var int The grade counts with its weight. */
    public const USED = 1;
    /** @var int The grade is empty, and empty grades are left out. */
    public const NOVALUE = 2;
    /** @var int A limit or a person left the grade out. */
    public const DROPPED = 3;
    /** @var int The grade counts as extra credit. */
    public const EXTRA = 4;

    /**
     * Take columns.
     *
     * @param list<float|null> $grades by user: the total as Moodle computes it before the database rounds it, null for no grade
     * @param list<float|null> $minima by user: the minimum to be stored, null where Moodle leaves the stored one
     * @param list<float|null> $maxima by user: the maximum to be stored, null where Moodle leaves the stored one
     * @param list<string> $statuses by item: a byte per user, one of UNKNOWN, USED, NOVALUE, DROPPED and EXTRA
     * @param list<list<float|null>> $weights by item and user: the weight to be stored, null where Moodle leaves the stored one
     * @param carry $carry the bounds of the category's grade item for the next user
     */
    public function __construct(
        /** @var list<float|null> By user: the total as Moodle computes it before the database rounds it, null for no grade. */
        public array $grades,
        /** @var list<float|null> By user: the minimum to be stored, null where Moodle leaves the stored one. */
        public array $minima,
        /** @var list<float|null> By user: the maximum to be stored, null where Moodle leaves the stored one. */
        public array $maxima,
        /** @var list<string> By item: a byte per user, one of UNKNOWN, USED, NOVALUE, DROPPED and EXTRA. */
        public array $statuses,
        /** @var list<list<float|null>> By item and user: the weight to be stored, null where Moodle leaves the stored one. */
        public array $weights,
        /** @var carry The bounds of the category's grade item for the next user. */
        public carry $carry,
    ) {
    }
}
