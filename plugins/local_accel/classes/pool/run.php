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

namespace local_accel\pool;

use local_accel\local\pool\layout;

/**
 * A verification of the file pool, as the database keeps it.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class run {
    /**
     * Describe a run.
     *
     * @param int $id
     * @param int[] $units what is verified
     * @param int $done how many of these units are verified
     * @param int $files how many files were read
     * @param int $bytes how many bytes these files have
     * @param int $timestarted
     * @param int $timemodified
     * @param int|null $timefinished null as long as units are left
     */
    public function __construct(
        /** @var int The id. */
        public int $id,
        /** @var int[] What is verified. */
        public array $units,
        /** @var int How many of these units are verified. */
        public int $done,
        /** @var int How many files were read. */
        public int $files,
        /** @var int How many bytes these files have. */
        public int $bytes,
        /** @var int When it was started. */
        public int $timestarted,
        /** @var int When it last came on. */
        public int $timemodified,
        /** @var int|null When it was finished, null as long as units are left. */
        public ?int $timefinished,
    ) {
    }

    /**
     * Return the units that are left.
     *
     * @return int[]
     */
    public function left(): array {
        return array_slice($this->units, $this->done);
    }

    /**
     * Tell whether it is about the whole pool.
     *
     * @return bool
     */
    public function is_full(): bool {
        return $this->units === layout::units();
    }
}
