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
 * A loaded native library whose ABI is the one that this plugin was written for.
 *
 * This class and those beside it are all that touch FFI. They have no side effects and need no Moodle, so that they can
 * be preloaded: pages may use FFI only from preloaded code.
 *
 * Keep the one that the loader gives for the whole process. PHP 8.2 remembers where the fields of a struct are by the
 * address of its type: after an \FFI is freed, a field of the next one with the same declarations may be read elsewhere.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class handle {
    /** The version of the interface that native/accel.h describes. */
    public const ABI_VERSION = 1;

    /** How many bytes of the text of an error are shown. */
    private const ERROR_BYTES = 1024;

    /**
     * Hold a library.
     *
     * @param \FFI $ffi with the declarations of native/accel.h
     */
    public function __construct(
        /** @var \FFI With the declarations of native/accel.h. */
        public \FFI $ffi,
    ) {
    }

    /**
     * Return the library's own version, such as 0.1.0.
     *
     * @return string
     */
    public function version(): string {
        return $this->ffi->accel_version();
    }

    /**
     * Turn the code that a function of the library returned into an exception, unless it is 0.
     *
     * @param int $code
     * @throws native_error
     */
    public function check(int $code): void {
        if ($code !== 0) {
            throw $this->error($code);
        }
    }

    /**
     * Make the exception for a code that was returned by the call before.
     *
     * @param int $code
     * @return native_error
     */
    private function error(int $code): native_error {
        $buffer = $this->ffi->new('char[' . self::ERROR_BYTES . ']');
        $length = min($this->ffi->accel_last_error($buffer, self::ERROR_BYTES), self::ERROR_BYTES);
        $text = rtrim(\FFI::string($buffer, $length), "\0");
        return new native_error(status::tryFrom($code) ?? status::UNKNOWN, $text);
    }
}
