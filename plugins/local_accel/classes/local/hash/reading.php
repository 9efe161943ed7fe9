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

/**
 * Reads content so that a failure is never taken for the content's end.
 *
 * After an error PHP says of a stream that it is at its end, and file_get_contents() gives what came before. Only the
 * result of each fread() and the warnings tell.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class reading {
    /** How much of a stream is read at a time, in bytes: little enough for PHP to use the same memory again. */
    private const CHUNK_BYTES = 131072;

    /**
     * Return the rest of a stream in pieces.
     *
     * @param resource $stream
     * @return \Generator of strings
     * @throws unreadable if it can't be read, or has no more content without being at its end
     */
    public static function chunks($stream): \Generator {
        while (($chunk = @fread($stream, self::CHUNK_BYTES)) !== false && $chunk !== '') {
            yield $chunk;
        }
        if ($chunk === false || !feof($stream)) {
            throw unreadable::stream();
        }
    }

    /**
     * Return the content of a file.
     *
     * @param string $path
     * @return string
     * @throws unreadable if it can't be read
     */
    public static function file(string $path): string {
        $failed = false;
        set_error_handler(static function () use (&$failed): bool {
            return $failed = true;
        });
        try {
            $content = file_get_contents($path);
        } finally {
            restore_error_handler();
        }
        return $failed || $content === false ? throw unreadable::file($path) : $content;
    }
}
