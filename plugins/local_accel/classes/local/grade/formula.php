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
 * A calculation in Moodle's formula language, compiled.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class formula {
    /**
     * Compile a calculation.
     *
     * @param string $calculation as grade_item::compute() hands it to calc_formula, such as =gi12+max(gi3,2)
     * @param list<string> $variables the names of the variables, in the order of their columns
     * @return self
     * @throws formula_error when it cannot be evaluated exactly as Moodle would
     */
    public static function compile(string $calculation, array $variables): self {
        throw new formula_error("the calculation '$calculation' is not supported");
    }
}
