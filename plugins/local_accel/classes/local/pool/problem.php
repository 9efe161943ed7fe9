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
 * What can be wrong with a file pool.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
enum problem: string {
    /** The content does not have the hash that the name promises. */
    case CORRUPT = 'corrupt';

    /** The database lists the object, and it is not in the pool. */
    case MISSING = 'missing';

    /** The content is intact, but its size is not the one that the database has. */
    case WRONG_SIZE = 'wrongsize';

    /** The operating system refused to read it. */
    case UNREADABLE = 'unreadable';

    /** One side of a SHA-1 collision that Moodle has put away. */
    case COLLISION = 'collision';

    /** An object lies in a folder where Moodle will not look for it. */
    case MISPLACED = 'misplaced';

    /** An object is in the pool, and the database does not list it. */
    case ORPHANED = 'orphaned';

    /** A temporary file of an upload that was cut off. */
    case LEFTOVER = 'leftover';

    /** A file or folder that Moodle did not make. */
    case FOREIGN = 'foreign';

    /**
     * Tell whether users can be without content because of it; the other problems only waste space.
     *
     * @return bool
     */
    public function is_loss(): bool {
        return match ($this) {
            self::CORRUPT, self::MISSING, self::WRONG_SIZE, self::UNREADABLE => true,
            self::COLLISION, self::MISPLACED, self::ORPHANED, self::LEFTOVER, self::FOREIGN => false,
        };
    }
}
