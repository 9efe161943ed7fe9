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

namespace local_accel\local;

/**
 * The native library of a site, as far as the file system tells.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class library {
    /**
     * Describe a library.
     *
     * @param library_state $state what is found at the path
     * @param string|null $path where it is looked for, null on a platform for which there is none
     * @param bool $configured whether a person gave the path
     */
    public function __construct(
        /** @var library_state What is found at the path. */
        public library_state $state,
        /** @var string|null Where it is looked for, null on a platform for which there is none. */
        public ?string $path,
        /** @var bool Whether a person gave the path. */
        public bool $configured,
    ) {
    }
}
