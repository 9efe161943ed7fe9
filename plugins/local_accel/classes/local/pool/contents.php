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
 * What an engine saw in a unit of a pool.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class contents {
    /**
     * Describe what was seen.
     *
     * @param int $unit
     * @param int[] $objects sizes by hash of the objects in their places, intact or not, ordered by hash
     * @param int $files how many files were read to their end: the objects, and those in a wrong place
     * @param int $bytes how many bytes these files have
     * @param int $vanished how many names were listed but gone when they were to be read
     * @param finding[] $findings what the files alone tell, ordered
     */
    public function __construct(
        /** @var int The unit. */
        public int $unit,
        /** @var int[] Sizes by hash of the objects in their places, intact or not, ordered by hash. */
        public array $objects,
        /** @var int How many files were read to their end. */
        public int $files,
        /** @var int How many bytes these files have. */
        public int $bytes,
        /** @var int How many names were listed but gone when they were to be read. */
        public int $vanished,
        /** @var finding[] What the files alone tell, ordered. */
        public array $findings,
    ) {
    }
}
