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

namespace local_accel\check;

use core\check\check;
use core\check\result;
use local_accel\local\library;
use local_accel\local\library_locator;
use local_accel\local\library_state;
use local_accel\local\platform;

/**
 * Status check that tells whether a native library is there for this platform.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
class native_library extends check {
    #[\Override]
    public function get_action_link(): ?\action_link {
        return new \action_link(
            new \moodle_url('/admin/settings.php', ['section' => 'local_accel']),
            get_string('pluginname', 'local_accel'),
        );
    }

    #[\Override]
    public function get_result(): result {
        if (get_config('local_accel', 'engine') === 'php') {
            return new result(result::OK, get_string('library_unwanted', 'local_accel'));
        }
        $platform = platform::current();
        $locator = new library_locator(dirname(__DIR__, 2), $platform, (string) get_config('local_accel', 'librarypath'));
        $library = $locator->locate();
        $string = 'library_' . $this->outcome($library);
        return new result(
            $this->status($library),
            get_string($string, 'local_accel'),
            get_string($string . '_details', 'local_accel', s($library->path ?? $platform->name())),
        );
    }

    /**
     * Return the check's status for a library.
     *
     * @param library $library
     * @return string one of the constants of {@see result}
     */
    private function status(library $library): string {
        return match ($library->state) {
            library_state::UNSUPPORTED, library_state::PRESENT => result::INFO,
            library_state::ABSENT => $library->configured ? result::WARNING : result::INFO,
            library_state::UNREADABLE => result::WARNING,
        };
    }

    /**
     * Return the part of the language string's name that describes a library.
     *
     * @param library $library
     * @return string
     */
    private function outcome(library $library): string {
        return match ($library->state) {
            library_state::UNSUPPORTED => 'unsupported',
            library_state::ABSENT => $library->configured ? 'configuredabsent' : 'absent',
            library_state::UNREADABLE => 'unreadable',
            library_state::PRESENT => 'present',
        };
    }
}
