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
 * Something in a file pool that is not as it should be.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class finding {
    /** The detail of a missing object whose content is still in the trash. */
    public const IN_TRASH = 'trash';

    /**
     * Describe a finding.
     *
     * @param problem $problem what is wrong
     * @param string $path where, relative to the pool
     * @param string $detail the hash that a corrupt object has, the place of a misplaced one, the reason why something is
     *     unreadable, the size that the database has, or where else content is
     */
    public function __construct(
        /** @var problem What is wrong. */
        public problem $problem,
        /** @var string Where, relative to the pool. */
        public string $path,
        /** @var string What there is to add. */
        public string $detail = '',
    ) {
    }

    /**
     * Return the hash of the object that it is about, or null if it is about none.
     *
     * @return string|null
     */
    public function contenthash(): ?string {
        return match ($this->problem) {
            problem::FOREIGN, problem::LEFTOVER, problem::COLLISION => null,
            default => layout::hash_of(basename($this->path)),
        };
    }

    /**
     * Order findings by path and then by problem.
     *
     * @param self $other
     * @return int as the spaceship operator gives it
     */
    public function compare(self $other): int {
        return strcmp($this->path, $other->path) ?: strcmp($this->problem->value, $other->problem->value);
    }
}
