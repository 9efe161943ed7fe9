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
 * Copies with PHP alone, hashing each piece while it is in memory.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class php_copier implements copier {
    /** How many bytes are in memory at a time. */
    private const CHUNK = 1048576;

    #[\Override]
    public function copy(string $source, string $target): array {
        $from = @fopen($source, 'rb');
        $to = $from ? @fopen($target, 'wb') : false;
        if (!$to) {
            throw new copy_failed($from ? $target : $source);
        }
        // Without it PHP asks for 8 KiB at a time.
        stream_set_chunk_size($from, self::CHUNK);
        stream_set_read_buffer($from, 0);
        stream_set_write_buffer($to, 0);
        $context = hash_init('sha1');
        $size = 0;
        $written = true;
        while ($written && ($chunk = fread($from, self::CHUNK)) !== false && $chunk !== '') {
            hash_update($context, $chunk);
            $size += strlen($chunk);
            $written = @fwrite($to, $chunk) === strlen($chunk);
        }
        $whole = $written && feof($from);
        fclose($from);
        if (!fclose($to) || !$whole) {
            @unlink($target);
            throw new copy_failed($target);
        }
        return [hash_final($context), $size];
    }
}
