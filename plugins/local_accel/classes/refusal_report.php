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

namespace local_accel;

use local_accel\local\library;
use local_accel\local\native\handle;
use local_accel\local\native\outcome;
use local_accel\local\native\refusal;
use local_accel\local\platform;

/**
 * Tells a person why the native library is not used, and what to do.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class refusal_report {
    /**
     * Report an outcome without a handle.
     *
     * @param outcome $outcome
     * @param library $library
     */
    public function __construct(
        /** @var outcome What loading came to. */
        private outcome $outcome,
        /** @var library Where the library is. */
        private library $library,
    ) {
    }

    /**
     * Tell whether somebody has to do something. A library that was never there is no fault.
     *
     * @return bool
     */
    public function is_fault(): bool {
        return match ($this->outcome->refusal) {
            refusal::DISABLED, refusal::UNSUPPORTED, refusal::FFI_ABSENT, refusal::FFI_RESTRICTED => false,
            refusal::ABSENT => $this->library->configured,
            default => true,
        };
    }

    /**
     * Return why the library is not used, in one sentence of plain text.
     *
     * @return string
     */
    public function summary(): string {
        return get_string($this->name(), 'local_accel');
    }

    /**
     * Return where, and what to do, in plain text.
     *
     * @return string
     */
    public function details(): string {
        return get_string($this->name() . '_details', 'local_accel', [
            'abi' => handle::ABI_VERSION,
            'detail' => $this->outcome->detail,
            'path' => $this->library->path ?? '',
            'platform' => platform::current()->name(),
        ]);
    }

    /**
     * Return the name of the language string that says why.
     *
     * @return string
     */
    private function name(): string {
        if ($this->outcome->refusal === refusal::ABSENT && $this->library->configured) {
            return 'library_configuredabsent';
        }
        return 'library_' . $this->outcome->refusal->value;
    }
}
