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

use local_accel\local\native\hash;
use local_accel\local\native\native_error;
use local_accel\local\native\status;

/**
 * Copies with the native library, which hashes each piece while it is in the processor's cache.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class native_copier implements copier {
    /**
     * Make a copier.
     *
     * @param hash $hash the library's part
     * @param copier $fallback for what is no file of the operating system, such as a stream
     */
    public function __construct(
        /** @var hash The library's part. */
        private hash $hash,
        /** @var copier For what is no file of the operating system. */
        private copier $fallback,
    ) {
    }

    #[\Override]
    public function copy(string $source, string $target): array {
        $from = realpath($source);
        $folder = realpath(dirname($target));
        if ($from === false || $folder === false) {
            return $this->fallback->copy($source, $target);
        }
        try {
            return $this->hash->copy($from, $folder . '/' . basename($target), 0600);
        } catch (native_error $error) {
            if (in_array($error->status, [status::PANIC, status::UNKNOWN], true)) {
                // A defect of the library must not refuse an upload. It may have left a part of the copy.
                @unlink($target);
                return $this->fallback->copy($source, $target);
            }
            throw new copy_failed($error->getMessage(), 0, $error);
        }
    }
}
