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
 * What becomes of a grade on its way to the database.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class number {
    /**
     * Return the double that comes back from a NUMERIC(10,5) column.
     *
     * Moodle's drivers write a float with the fourteen digits of a string cast, and the database rounds that decimal, half
     * away from zero.
     *
     * @param float $value
     * @return float
     */
    public static function decimal(float $value): float {
        return round((float) (string) $value, 5) + 0.0;
    }

    /**
     * Return what Moodle's grade_floatval() does under the running PHP.
     *
     * @param float $value
     * @return float
     */
    public static function round(float $value): float {
        return round($value, 5);
    }
}
