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

use local_accel\local\hash\algorithm;

/**
 * Digests from the native library, as lower-case hexadecimal digits.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class hash {
    /** How many digits the longest digest has. */
    private const DIGITS = 64;

    /** @var \FFI\CData Where the library writes a digest. */
    private \FFI\CData $digest;

    /**
     * Use a library.
     *
     * @param handle $handle
     */
    public function __construct(
        /** @var handle The library. */
        private handle $handle,
    ) {
        $this->digest = $handle->ffi->new('char[' . self::DIGITS . ']');
    }

    /**
     * Say whether the processor has instructions for SHA-1 and SHA-256, which the library then uses.
     *
     * @return bool
     */
    public function has_instructions(): bool {
        return $this->handle->ffi->accel_hash_has_instructions() === 1;
    }

    /**
     * Return the digest of a string.
     *
     * @param algorithm $algorithm
     * @param string $content
     * @return string
     * @throws native_error
     */
    public function string(algorithm $algorithm, string $content): string {
        $number = self::number($algorithm);
        $this->handle->check(
            $this->handle->ffi->accel_hash_bytes($number, $content, strlen($content), $this->digest, self::DIGITS),
        );
        return $this->digits($algorithm);
    }

    /**
     * Return the digest of a file. Its content is never held in memory as a whole.
     *
     * @param algorithm $algorithm
     * @param string $path
     * @return string
     * @throws native_error
     */
    public function file(algorithm $algorithm, string $path): string {
        $number = self::number($algorithm);
        $this->handle->check(
            $this->handle->ffi->accel_hash_file($number, $path, strlen($path), $this->digest, self::DIGITS),
        );
        return $this->digits($algorithm);
    }

    /**
     * Return a hasher for content that comes piece by piece.
     *
     * @param algorithm $algorithm
     * @return hash_stream
     * @throws native_error
     */
    public function stream(algorithm $algorithm): hash_stream {
        return new hash_stream($this->handle, self::number($algorithm));
    }

    /**
     * Copy a file to a new file while hashing it: its content is read once.
     *
     * @param string $source
     * @param string $target a path where nothing is yet
     * @param int $mode the new file's permissions, whatever the umask
     * @return array{string, int} the SHA-1 of the content and its length in bytes
     * @throws native_error with status EXISTS if there is something at the target; after any error there is no new file
     */
    public function copy(string $source, string $target, int $mode): array {
        $length = $this->handle->ffi->new('uint64_t');
        $this->handle->check($this->handle->ffi->accel_hash_copy(
            $source,
            strlen($source),
            $target,
            strlen($target),
            $mode,
            $this->digest,
            self::DIGITS,
            \FFI::addr($length),
        ));
        return [$this->digits(algorithm::SHA1), $length->cdata];
    }

    /**
     * Return the digest that the library has written.
     *
     * @param algorithm $algorithm
     * @return string
     */
    private function digits(algorithm $algorithm): string {
        return \FFI::string($this->digest, $algorithm === algorithm::SHA1 ? 40 : self::DIGITS);
    }

    /**
     * Return the library's number for an algorithm: AccelAlgorithm in native/accel.h.
     *
     * @param algorithm $algorithm
     * @return int
     */
    private static function number(algorithm $algorithm): int {
        return match ($algorithm) {
            algorithm::SHA1 => 1,
            algorithm::SHA256 => 2,
        };
    }
}
