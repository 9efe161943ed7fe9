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

namespace local_accel\local\hash;

use local_accel\local\native\native_error;

/**
 * Computes digests also of content that comes piece by piece.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
interface stream_engine extends engine {
    /**
     * Return the digest of what a stream holds from where it stands to its end.
     *
     * @param algorithm $algorithm
     * @param resource $stream
     * @return string
     * @throws unreadable if it can't be read
     * @throws native_error if the native library fails; the stream then stands where it stood, or can't be put back there
     */
    public function stream(algorithm $algorithm, $stream): string;
}
