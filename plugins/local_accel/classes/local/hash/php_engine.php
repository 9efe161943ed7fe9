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
 * Digests from PHP's hash extension.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class php_engine implements stream_engine {
    #[\Override]
    public function string(algorithm $algorithm, string $content): string {
        return hash($algorithm->value, $content);
    }

    #[\Override]
    public function file(algorithm $algorithm, string $path): string {
        $digest = @hash_file($algorithm->value, $path);
        // Of a folder PHP says the digest of nothing.
        return $digest === false || is_dir($path) ? throw unreadable::file($path) : $digest;
    }

    #[\Override]
    public function stream(algorithm $algorithm, $stream): string {
        $context = hash_init($algorithm->value);
        foreach (reading::chunks($stream) as $chunk) {
            hash_update($context, $chunk);
        }
        return hash_final($context);
    }
}
