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
 * A course that is left to Moodle's own code, because its grades can't be computed in bulk exactly as Moodle does.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class left_to_core extends \Exception {
    /** @var int How often the regrade had begun: after that, weights and maxima have been updated. */
    public int $attempts = 0;

    /**
     * Leave a course.
     *
     * @param reason $reason
     * @param string $detail what in the course it is about, such as the name of a grade item
     */
    public function __construct(
        /** @var reason Why. */
        public readonly reason $reason,
        string $detail = '',
    ) {
        parent::__construct($reason->value . ($detail === '' ? '' : ": {$detail}"));
    }
}
