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
 * Where a file pool keeps what, as file_system_filedir of Moodle 5.1 has it, and how the pool is divided for verification.
 *
 * A unit is a top folder, 0 to 255, or 256: all that lies in the root itself.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class layout {
    /** The unit of what lies in the root and is not a top folder. */
    public const ROOT = 256;

    /** The hash of no content. Moodle does without this object where it is absent. */
    public const EMPTY_HASH = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';

    /** Moodle's note in the root. */
    public const WARNING_FILE = 'warning.txt';

    /** The folder in the root with both sides of SHA-1 collisions. */
    public const COLLISION_FOLDER = 'jackpot';

    /**
     * Return the path of an object, relative to the pool.
     *
     * @param string $hash
     * @return string
     */
    public static function path(string $hash): string {
        return substr($hash, 0, 2) . '/' . substr($hash, 2, 2) . '/' . $hash;
    }

    /**
     * Return the hash that a file's name promises, or null if it is not the name of an object.
     *
     * @param string $name
     * @return string|null
     */
    public static function hash_of(string $name): ?string {
        return preg_match('~^[0-9a-f]{40}$~D', $name) ? $name : null;
    }

    /**
     * Tell whether a file's name is that of an upload under way or cut off.
     *
     * @param string $name
     * @return bool
     */
    public static function is_temporary(string $name): bool {
        return preg_match('~^[0-9a-f]{40}\.tmp$~D', $name) === 1;
    }

    /**
     * Tell whether a folder's name is one that Moodle gives.
     *
     * @param string $name
     * @return bool
     */
    public static function is_folder(string $name): bool {
        return preg_match('~^[0-9a-f]{2}$~D', $name) === 1;
    }

    /**
     * Return all units: the top folders, then the root.
     *
     * @return int[]
     */
    public static function units(): array {
        return range(0, self::ROOT);
    }

    /**
     * Return a unit's name: that of the folder, or root.
     *
     * @param int $unit
     * @return string
     */
    public static function unit_name(int $unit): string {
        return $unit === self::ROOT ? 'root' : sprintf('%02x', $unit);
    }

    /**
     * Return the units that a person names, such as 00-3f,da,root, in their order and each once.
     *
     * @param string $names
     * @return int[]
     * @throws \InvalidArgumentException if it is not such a list; the message is the wrong part
     */
    public static function parse_units(string $names): array {
        $units = [];
        foreach (explode(',', strtolower(trim($names))) as $part) {
            $part = trim($part);
            if ($part === 'root') {
                $units[self::ROOT] = true;
            } else if (preg_match('~^([0-9a-f]{2})(?:-([0-9a-f]{2}))?$~D', $part, $ends)) {
                $first = hexdec($ends[1]);
                $last = hexdec($ends[2] ?? $ends[1]);
                if ($first > $last) {
                    throw new \InvalidArgumentException($part);
                }
                $units += array_fill_keys(range($first, $last), true);
            } else {
                throw new \InvalidArgumentException($part);
            }
        }
        ksort($units);
        return array_keys($units);
    }

    /**
     * Name units as {@see parse_units()} reads them.
     *
     * @param int[] $units ascending
     * @return string
     */
    public static function format_units(array $units): string {
        $parts = [];
        $folders = array_values(array_diff($units, [self::ROOT]));
        foreach ($folders as $index => $unit) {
            if ($index > 0 && $folders[$index - 1] === $unit - 1) {
                $parts[count($parts) - 1][1] = $unit;
            } else {
                $parts[] = [$unit, $unit];
            }
        }
        $names = array_map(static fn(array $ends): string =>
            implode('-', array_unique(array_map(self::unit_name(...), $ends))), $parts);
        if (in_array(self::ROOT, $units, true)) {
            $names[] = 'root';
        }
        return implode(',', $names);
    }
}
