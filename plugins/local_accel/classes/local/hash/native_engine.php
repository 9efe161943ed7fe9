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

use local_accel\local\native\hash;
use local_accel\local\native\native_error;
use local_accel\local\native\status;

/**
 * Digests from the native library.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class native_engine implements stream_engine {
    /**
     * Use a library.
     *
     * @param hash $hash
     */
    public function __construct(
        /** @var hash The library. */
        private hash $hash,
    ) {
    }

    #[\Override]
    public function string(algorithm $algorithm, string $content): string {
        return $this->hash->string($algorithm, $content);
    }

    #[\Override]
    public function file(algorithm $algorithm, string $path): string {
        try {
            return $this->hash->file($algorithm, $path);
        } catch (native_error $error) {
            throw in_array($error->status, [status::NOT_FOUND, status::IO], true) ? unreadable::file($path) : $error;
        }
    }

    #[\Override]
    public function stream(algorithm $algorithm, $stream): string {
        $start = ftell($stream);
        try {
            return $this->read($algorithm, $stream);
        } catch (native_error $error) {
            if ($start === false || @fseek($stream, $start) !== 0) {
                throw unreadable::stream();
            }
            throw $error;
        }
    }

    /**
     * Return the digest of a stream.
     *
     * @param algorithm $algorithm
     * @param resource $stream
     * @return string
     */
    private function read(algorithm $algorithm, $stream): string {
        $hasher = $this->hash->stream($algorithm);
        foreach (reading::chunks($stream) as $chunk) {
            $hasher->update($chunk);
        }
        return $hasher->finish();
    }
}
