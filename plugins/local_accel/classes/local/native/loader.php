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

use local_accel\local\checksum_state;
use local_accel\local\library;
use local_accel\local\library_file;
use local_accel\local\library_state;

/**
 * Loads the native library, or says why not. Nothing it meets becomes a warning or an exception.
 *
 * On the command line the library is loaded by its path, after its checksum. Web pages get what PHP preloaded when it
 * started (see cli/doctor.php) and nothing else: ffi.enable=1 would give FFI to all code of the site.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class loader {
    /** The FFI scope of the preloaded header. */
    public const SCOPE = 'local_accel';

    /** The one declaration that stays the same in every version of the library. */
    private const ABI_DECLARATION = 'uint32_t accel_abi_version(void);';

    /** @var outcome[] What loading came to in this process, by path. */
    private static array $outcomes = [];

    /**
     * Make a loader.
     *
     * @param bool $enabled whether the site's settings allow the library
     * @param library $library where the library is
     * @param bool $preloaded whether only a preloaded library may be used, as is the case for web pages
     */
    public function __construct(
        /** @var bool Whether the site's settings allow the library. */
        private readonly bool $enabled,
        /** @var library Where the library is. */
        public readonly library $library,
        /** @var bool Whether only a preloaded library may be used. */
        private readonly bool $preloaded = PHP_SAPI !== 'cli',
    ) {
    }

    /**
     * Return the library, or null where {@see load()} says why there is none.
     *
     * @return handle|null
     */
    public function handle(): ?handle {
        return $this->load()->handle;
    }

    /**
     * Load the library. The outcome is kept for the rest of the process.
     *
     * @return outcome
     */
    public function load(): outcome {
        if (!$this->enabled) {
            return outcome::refused(refusal::DISABLED);
        }
        $key = $this->preloaded ? self::SCOPE : 'file:' . $this->library->path;
        return self::$outcomes[$key] ??= $this->attempt();
    }

    /**
     * Load the library.
     *
     * @return outcome
     */
    private function attempt(): outcome {
        if (!extension_loaded('FFI')) {
            return outcome::refused(refusal::FFI_ABSENT);
        }
        try {
            // An empty list of declarations shows whether PHP lets this code use FFI at all.
            \FFI::cdef();
        } catch (\Throwable $error) {
            return outcome::refused(refusal::FFI_RESTRICTED, $error->getMessage());
        }
        return $this->preloaded ? $this->from_scope() : $this->from_file();
    }

    /**
     * Take the library that PHP preloaded.
     *
     * @return outcome
     */
    private function from_scope(): outcome {
        try {
            $ffi = \FFI::scope(self::SCOPE);
        } catch (\Throwable $error) {
            return outcome::refused(refusal::FFI_RESTRICTED, $error->getMessage());
        }
        return $this->with_abi($ffi);
    }

    /**
     * Load the library by its path.
     *
     * @return outcome
     */
    private function from_file(): outcome {
        $refusal = self::inspect($this->library);
        if ($refusal !== null) {
            return outcome::refused($refusal);
        }
        // A name without a folder would make the system search for the library somewhere else.
        $path = realpath($this->library->path);
        try {
            \FFI::cdef('', $path);
        } catch (\Throwable $error) {
            return outcome::refused(refusal::UNLOADABLE, $error->getMessage());
        }
        try {
            $outcome = $this->with_abi(\FFI::cdef(self::ABI_DECLARATION, $path));
            if ($outcome->handle === null) {
                return $outcome;
            }
            $declarations = file_get_contents(dirname(__DIR__, 3) . '/native/accel.h');
            return outcome::loaded(new handle(\FFI::cdef($declarations, $path)));
        } catch (\Throwable $error) {
            return outcome::refused(refusal::ABI_WRONG, $error->getMessage());
        }
    }

    /**
     * Say what speaks against a library, as far as its files tell.
     *
     * @param library $library
     * @return refusal|null
     */
    public static function inspect(library $library): ?refusal {
        $refusal = match ($library->state) {
            library_state::UNSUPPORTED => refusal::UNSUPPORTED,
            library_state::ABSENT => refusal::ABSENT,
            library_state::UNREADABLE => refusal::UNREADABLE,
            library_state::PRESENT => null,
        };
        if ($refusal !== null) {
            return $refusal;
        }
        $file = new library_file($library->path);
        if ($file->is_truncated()) {
            return refusal::TRUNCATED;
        }
        return match ($file->checksum()) {
            checksum_state::ABSENT => refusal::CHECKSUM_ABSENT,
            checksum_state::MALFORMED => refusal::CHECKSUM_MALFORMED,
            checksum_state::WRONG => refusal::CHECKSUM_WRONG,
            checksum_state::RIGHT => null,
        };
    }

    /**
     * Hold a library if it has the right ABI.
     *
     * @param \FFI $ffi
     * @return outcome
     */
    private function with_abi(\FFI $ffi): outcome {
        $version = $ffi->accel_abi_version();
        return $version === handle::ABI_VERSION
            ? outcome::loaded(new handle($ffi))
            : outcome::refused(refusal::ABI_WRONG, (string) $version);
    }
}
