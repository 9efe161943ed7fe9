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
 * A grade item as its category sees it.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class item {
    /**
     * Describe an item.
     *
     * @param float $min the item's grademin
     * @param float $max the item's grademax
     * @param float $coefficient the item's aggregationcoef: a weight, or extra credit
     * @param float $weight the item's aggregationcoef2: the weight in natural aggregation
     * @param bool $weightoverridden whether a person set the weight
     */
    public function __construct(
        /** @var float The item's grademin. */
        public float $min,
        /** @var float The item's grademax. */
        public float $max,
        /** @var float The item's aggregationcoef: a weight, or extra credit. */
        public float $coefficient,
        /** @var float The item's aggregationcoef2: the weight in natural aggregation. */
        public float $weight,
        /** @var bool Whether a person set the weight. */
        public bool $weightoverridden,
    ) {
    }
}
