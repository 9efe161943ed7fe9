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

/**
 * Why a course is left to Moodle's own code.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
enum reason: string {
    /** The database is none for which there are bulk statements. */
    case DATABASE = 'database';

    /** A transaction is open, so that nothing could be undone. */
    case TRANSACTION = 'transaction';

    /** Items depend on each other in a circle. */
    case CIRCLE = 'circle';

    /** A formula that can't be evaluated exactly as Moodle does, or that fails for a user. */
    case FORMULA = 'formula';

    /** The grade of an activity is calculated. */
    case CALCULATED_ACTIVITY = 'calculated_activity';

    /** A grade item is about to be locked. */
    case LOCK_DUE = 'lock_due';

    /** A total is too large for its column. */
    case OVERFLOW = 'overflow';

    /** PostgreSQL has kept what is not a number, which a formula gave. */
    case NOT_A_NUMBER = 'not_a_number';

    /** Others changed the course's grades again and again while they were computed. */
    case BUSY = 'busy';

    /**
     * Return what a person reads.
     *
     * @return string
     */
    public function text(): string {
        return get_string('regradeleft_' . $this->value, 'local_accel');
    }
}
