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

namespace local_accel;

use local_accel\local\hash\algorithm;
use local_accel\local\hash\unreadable;

/**
 * Digests of strings, files and streams by the fastest engine that this site has, as lower-case hexadecimal digits.
 *
 * Get one with \core\di::get(\local_accel\hasher::class). For short strings, such as keys of caches, call PHP's own sha1():
 * nothing is faster.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
interface hasher {
    /**
     * Return the digest of a string.
     *
     * @param algorithm $algorithm
     * @param string $content
     * @return string
     */
    public function string(algorithm $algorithm, string $content): string;

    /**
     * Return the digest of a file.
     *
     * @param algorithm $algorithm
     * @param string $path
     * @return string
     * @throws unreadable if it can't be read
     */
    public function file(algorithm $algorithm, string $path): string;

    /**
     * Return the digest of what a stream holds from where it stands to its end.
     *
     * @param algorithm $algorithm
     * @param resource $stream
     * @return string
     * @throws unreadable if it can't be read
     */
    public function stream(algorithm $algorithm, $stream): string;
}
