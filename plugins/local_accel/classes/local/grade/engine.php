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
 * Computes totals and formulas as Moodle does, to the last bit, for many users at once.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
interface engine {
    /**
     * Return the engine's name: native or php.
     *
     * @return string
     */
    public function name(): string;

    /**
     * Aggregate the grades of each user in a category.
     *
     * @param category $category
     * @param list<item> $items the immediate children of the category, ascending by id
     * @param batch $batch
     * @param carry $carry the bounds of the category's grade item before the first user
     * @return totals
     */
    public function aggregate(category $category, array $items, batch $batch, carry $carry): totals;

    /**
     * Evaluate a formula for each user.
     *
     * @param formula $formula
     * @param list<list<float|null>> $columns by variable of the formula and user
     * @param int $users the number of users
     * @param string|null $active a byte per user: "\0" for one who is passed over, with a result of false; null for none such
     * @return list<float|false> by user, what calc_formula::evaluate() gives; false for an error
     * @throws formula_error where Moodle would stop with an exception, such as a division modulo zero
     */
    public function evaluate(formula $formula, array $columns, int $users, ?string $active = null): array;
}
