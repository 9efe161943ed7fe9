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
 * Which engine is the fastest for content of a size, as measured.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class ranking {
    /**
     * The engines from the fastest to the slowest, from a size in bytes on, for PHP before 8.4.
     *
     * MEASURED-HERE
     */
    private const TABLE = [
        'string' => [
            'sha1' => [0 => ['php'], 512 => ['native', 'php'], 1024 => ['native', 'openssl', 'php']],
            'sha256' => [0 => ['php'], 64 => ['native', 'php'], 256 => ['native', 'openssl', 'php']],
        ],
        'file' => [
            'sha1' => [0 => ['php'], 4096 => ['native', 'openssl', 'php'], 1048577 => ['native', 'php']],
            'sha256' => [0 => ['php'], 1024 => ['native', 'openssl', 'php'], 1048577 => ['native', 'php']],
        ],
        'stream' => [
            'sha1' => [0 => ['native', 'php']],
            'sha256' => [0 => ['native', 'php']],
        ],
    ];

    /**
     * Return the engines to try, the fastest first. PHP's own is always among them.
     *
     * @param operation $operation
     * @param algorithm $algorithm
     * @param int $bytes the size of the content
     * @return engine_name[]
     */
    public function order(operation $operation, algorithm $algorithm, int $bytes): array {
        $order = [];
        foreach (self::TABLE[$operation->value][$algorithm->value] as $from => $names) {
            if ($bytes < $from) {
                break;
            }
            $order = $names;
        }
        return array_map(engine_name::from(...), $order);
    }
}
