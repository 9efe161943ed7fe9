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

namespace local_accel\regrade;

use local_accel\local\grade\engine;

/**
 * What becomes of one grade item in a regrade.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
interface step {
    /**
     * Compute the item's grades in a sheet.
     *
     * @param sheet $sheet
     * @param engine $engine
     * @throws left_to_core
     */
    public function apply(sheet $sheet, engine $engine): void;

    /**
     * Return what Moodle's grade history calls the source of the item's changes.
     *
     * @return string
     */
    public function source(): string;

    /**
     * Return the user that Moodle's user_graded event names, null for the current one.
     *
     * @return int|null
     */
    public function actor(): ?int;
}
