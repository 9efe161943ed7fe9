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
 * The file of a native library: whether it is whole, and what its checksum file says about it.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class library_file {
    /** Where a 64-bit little-endian ELF header says where the table of sections is, how long an entry is, how many. */
    private const ELF_SECTIONS = '@40/Poffset/@58/vsize/vcount';

    /** How many bytes a 64-bit ELF header has. */
    private const ELF_HEADER_BYTES = 64;

    /**
     * Name a library.
     *
     * @param string $path
     */
    public function __construct(
        /** @var string The library's path. */
        private string $path,
    ) {
    }

    /**
     * Return the path of a library's checksum file, which sha256sum writes: <library>.sha256.
     *
     * @param string $path the library's path
     * @return string
     */
    public static function checksum_path(string $path): string {
        return $path . '.sha256';
    }

    /**
     * Tell whether the end of the file is missing. Loading such a file may kill the process.
     *
     * The linker puts the table of sections at the end, so a file that is too short for it has been cut off.
     *
     * @return bool
     */
    public function is_truncated(): bool {
        $header = (string) @file_get_contents($this->path, false, null, 0, self::ELF_HEADER_BYTES);
        if (!str_starts_with($header, "\x7fELF\x02\x01")) {
            return $header === '' || str_starts_with("\x7fELF\x02\x01", $header);
        }
        if (strlen($header) < self::ELF_HEADER_BYTES) {
            return true;
        }
        $sections = unpack(self::ELF_SECTIONS, $header);
        return filesize($this->path) < $sections['offset'] + $sections['size'] * $sections['count'];
    }

    /**
     * Compare the library with its checksum file.
     *
     * @return checksum_state
     */
    public function checksum(): checksum_state {
        $line = @file_get_contents(self::checksum_path($this->path));
        if ($line === false) {
            return checksum_state::ABSENT;
        }
        $format = '~\A([0-9a-f]{64}) [ *](?:[^\n]*/)?' . preg_quote(basename($this->path), '~') . '\n?\z~';
        if (preg_match($format, $line, $parts) !== 1) {
            return checksum_state::MALFORMED;
        }
        return @hash_file('sha256', $this->path) === $parts[1] ? checksum_state::RIGHT : checksum_state::WRONG;
    }
}
