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
 * What a verification says about a unit of a pool.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class verdict {
    /**
     * Describe a unit that is verified.
     *
     * @param int $unit
     * @param int $files how many files were read
     * @param int $bytes how many bytes these files have
     * @param int $vanished how many files were deleted meanwhile
     * @param finding[] $findings ordered by path
     */
    public function __construct(
        /** @var int The unit. */
        public int $unit,
        /** @var int How many files were read. */
        public int $files,
        /** @var int How many bytes these files have. */
        public int $bytes,
        /** @var int How many files were deleted meanwhile. */
        public int $vanished,
        /** @var finding[] What is wrong, ordered by path. */
        public array $findings,
    ) {
    }
}
