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
 * Takes a file into a pool with one hash instead of two: it is hashed while it is copied, and the copy is compared with it.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class ingest {
    /** How many bytes are compared at a time. */
    private const CHUNK = 1048576;

    /**
     * Make it.
     *
     * @param copier $copier
     */
    public function __construct(
        /** @var copier Copies and hashes. */
        private copier $copier,
    ) {
    }

    /**
     * Copy a file to where the pool can take it over by renaming, and return the SHA-1 and the size of the copy.
     *
     * The copy is read again, because a full volume behind a network may only show then.
     *
     * @param string $source
     * @param string $target
     * @return array{string, int}
     * @throws copy_failed if it cannot be copied in full; the target is gone then
     */
    public function stage(string $source, string $target): array {
        [$hash, $size] = $this->copier->copy($source, $target);
        if (!$this->is_same($source, $target, $size)) {
            @unlink($target);
            throw new copy_failed($target);
        }
        return [$hash, $size];
    }

    /**
     * Tell whether two files both have this size and the same content.
     *
     * @param string $source
     * @param string $target
     * @param int $size
     * @return bool
     */
    private function is_same(string $source, string $target, int $size): bool {
        $one = @fopen($source, 'rb');
        $other = @fopen($target, 'rb');
        if (!$one || !$other) {
            return false;
        }
        $compared = 0;
        foreach ([$one, $other] as $file) {
            stream_set_chunk_size($file, self::CHUNK);
            stream_set_read_buffer($file, 0);
        }
        do {
            $chunk = fread($one, self::CHUNK);
            $same = $chunk !== false && $chunk === fread($other, self::CHUNK);
            $compared += strlen((string) $chunk);
        } while ($same && $chunk !== '');
        fclose($one);
        fclose($other);
        return $same && $compared === $size;
    }
}
