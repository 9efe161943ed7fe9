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
 * What the database knows of the objects of a pool.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
interface catalogue {
    /**
     * Return the objects of a top folder that the database lists, by hash.
     *
     * The value is the smallest and the largest size that the database has for the content, or null where it is only
     * listed by references to files elsewhere, whose size is that of the other file.
     *
     * @param int $unit a top folder
     * @return array<string, array{int, int}|null>
     */
    public function listed(int $unit): array;

    /**
     * Tell whether the database lists an object now, other than by references if content is needed.
     *
     * @param string $hash
     * @param bool $withcontent whether references to files elsewhere do not count
     * @return bool
     */
    public function lists(string $hash, bool $withcontent): bool;

    /**
     * Tell whether the site can read an object that is not in its folder, as with object storage.
     *
     * @param string $hash
     * @return bool
     */
    public function is_elsewhere(string $hash): bool;
}
