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

namespace local_accel\local\pool;

/**
 * How hard a verification may work.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class effort {
    /**
     * Describe an effort.
     *
     * @param int $threads on how many threads, where the engine has them
     * @param int $bytespersecond how many bytes may be read in a second, 0 for as many as there can be
     */
    public function __construct(
        /** @var int On how many threads, where the engine has them. */
        public int $threads = 1,
        /** @var int How many bytes may be read in a second, 0 for as many as there can be. */
        public int $bytespersecond = 0,
    ) {
    }
}
