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

namespace local_accel\pool;

use local_accel\local\native\loader;
use local_accel\local\native\pool;
use local_accel\local\pool\engine;
use local_accel\local\pool\native_engine;
use local_accel\local\pool\php_engine;
use local_accel\refusal_report;

/**
 * Chooses what reads the pool.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class engines {
    /**
     * Return an engine.
     *
     * @param string $name native, php, or auto: native where it can be had, else PHP
     * @return engine
     * @throws \moodle_exception if native is wanted and cannot be had
     */
    public static function named(string $name): engine {
        if ($name === 'php') {
            return new php_engine();
        }
        $loader = \core\di::get(loader::class);
        $outcome = $loader->load();
        if ($outcome->handle) {
            return new native_engine(new pool($outcome->handle));
        }
        if ($name === 'native') {
            $report = new refusal_report($outcome, $loader->library);
            throw new \moodle_exception('pool_nonative', 'local_accel', '', $report->summary());
        }
        return new php_engine();
    }
}
