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
 * How a grade category aggregates, with what of its grade item decides the total.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class category {
    /**
     * Describe a category.
     *
     * @param int $method one of the GRADE_AGGREGATE_* numbers
     * @param int $droplow how many of the lowest grades are left out
     * @param int $keephigh how many of the highest grades are kept, 0 for all
     * @param bool $onlygraded whether empty grades are left out rather than counted as zero
     * @param bool $scale whether the category's grade item is a scale
     * @param float $headroom how many times the maximum a total may reach: 1, or gradeoverhundredprocentmax with unlimited grades
     * @param bool $legacyextracredit whether the course is frozen at the natural weights of 20150619 or earlier
     * @param bool $limits what grade_category::can_apply_limit_rules() says
     */
    public function __construct(
        /** @var int One of the GRADE_AGGREGATE_* numbers. */
        public int $method,
        /** @var int How many of the lowest grades are left out. */
        public int $droplow,
        /** @var int How many of the highest grades are kept, 0 for all. */
        public int $keephigh,
        /** @var bool Whether empty grades are left out rather than counted as zero. */
        public bool $onlygraded,
        /** @var bool Whether the category's grade item is a scale. */
        public bool $scale,
        /** @var float How many times the maximum a total may reach: 1, or gradeoverhundredprocentmax with unlimited grades. */
        public float $headroom,
        /** @var bool Whether the course is frozen at the natural weights of 20150619 or earlier. */
        public bool $legacyextracredit,
        /** @var bool What grade_category::can_apply_limit_rules() says. */
        public bool $limits,
    ) {
    }
}
