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

use local_accel\local\grade;
use local_accel\local\native;
use local_accel\local\native\handle;
use local_accel\local\native\loader;
use local_accel\local\pool;

/**
 * Chooses what computes: the native library where it can be had, else PHP. Both give the same results.
 *
 * Names are native, php, or auto for either.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class engines {
    /**
     * Return the engine for grades.
     *
     * @param string $name
     * @return grade\engine
     * @throws \moodle_exception if native is wanted and cannot be had
     */
    public static function grade(string $name = 'auto'): grade\engine {
        $handle = self::handle($name);
        return $handle ? new grade\native_engine(new native\grade($handle)) : new grade\php_engine();
    }

    /**
     * Return the engine for the file pool.
     *
     * @param string $name
     * @return pool\engine
     * @throws \moodle_exception if native is wanted and cannot be had
     */
    public static function pool(string $name = 'auto'): pool\engine {
        $handle = self::handle($name);
        return $handle ? new pool\native_engine(new native\pool($handle)) : new pool\php_engine();
    }

    /**
     * Return the native library, or null where PHP is to compute.
     *
     * @param string $name
     * @return handle|null
     * @throws \moodle_exception if native is wanted and cannot be had
     */
    private static function handle(string $name): ?handle {
        if ($name === 'php') {
            return null;
        }
        $loader = \core\di::get(loader::class);
        $outcome = $loader->load();
        if ($name === 'native' && !$outcome->handle) {
            $report = new refusal_report($outcome, $loader->library);
            throw new \moodle_exception('nonative', 'local_accel', '', $report->summary());
        }
        return $outcome->handle;
    }
}
