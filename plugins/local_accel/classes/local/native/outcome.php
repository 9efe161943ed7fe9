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
 * What loading the native library came to: a handle, or why there is none.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class outcome {
    /**
     * Describe an outcome. Exactly one of handle and refusal is given.
     *
     * @param handle|null $handle
     * @param refusal|null $refusal
     * @param string $detail what PHP or the operating system said, in English, or an empty string
     */
    private function __construct(
        /** @var handle|null The library, if it was loaded. */
        public ?handle $handle,
        /** @var refusal|null Why it was not loaded. */
        public ?refusal $refusal,
        /** @var string What PHP or the operating system said, in English, or an empty string. */
        public string $detail,
    ) {
    }

    /**
     * The library was loaded.
     *
     * @param handle $handle
     * @return self
     */
    public static function loaded(handle $handle): self {
        return new self($handle, null, '');
    }

    /**
     * The library was not loaded.
     *
     * @param refusal $refusal
     * @param string $detail what PHP or the operating system said
     * @return self
     */
    public static function refused(refusal $refusal, string $detail = ''): self {
        return new self(null, $refusal, $detail);
    }
}
