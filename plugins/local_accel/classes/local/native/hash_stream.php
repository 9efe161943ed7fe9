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

namespace local_accel\local\native;

/**
 * A digest of content that comes piece by piece, from the native library.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class hash_stream {
    /** How many digits the longest digest has. */
    private const DIGITS = 64;

    /** @var \FFI\CData The library's hasher. */
    private \FFI\CData $hasher;

    /**
     * Begin with empty content.
     *
     * @param handle $handle the library
     * @param int $algorithm a value of AccelAlgorithm
     * @throws native_error
     */
    public function __construct(
        /** @var handle The library. */
        private readonly handle $handle,
        int $algorithm,
    ) {
        $hasher = $handle->ffi->new('AccelHasher *');
        $handle->check($handle->ffi->accel_hash_new($algorithm, \FFI::addr($hasher)));
        $this->hasher = $hasher;
    }

    /**
     * Free the hasher.
     */
    public function __destruct() {
        if (isset($this->hasher)) {
            $this->handle->ffi->accel_hash_free($this->hasher);
        }
    }

    /**
     * A copy would free the hasher twice.
     */
    private function __clone() {
    }

    /**
     * Append to the content.
     *
     * @param string $bytes
     * @throws native_error
     */
    public function update(string $bytes): void {
        $this->handle->check($this->handle->ffi->accel_hash_update($this->hasher, $bytes, strlen($bytes)));
    }

    /**
     * Return the digest of the content, and begin anew with empty content.
     *
     * @return string lower-case hexadecimal digits
     * @throws native_error
     */
    public function finish(): string {
        $digest = $this->handle->ffi->new('char[' . self::DIGITS . ']');
        $this->handle->check($this->handle->ffi->accel_hash_finish($this->hasher, $digest, self::DIGITS));
        return rtrim(\FFI::string($digest, self::DIGITS), "\0");
    }
}
