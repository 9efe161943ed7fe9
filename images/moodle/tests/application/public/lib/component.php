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

/**
 * Stands for Moodle's class of this name.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

/**
 * The one component of the tests' application.
 */
final class core_component {
    /**
     * Return what tells this code from another.
     *
     * @return string
     */
    public static function get_all_versions_hash(): string {
        return sha1('an application of the tests');
    }

    /**
     * Return the versions of the application and of its one plugin.
     *
     * @return array<string, float|int>
     */
    public static function get_all_versions(): array {
        return ['core' => 2025100600.02, 'mod_x' => 2025100600];
    }

    /**
     * Return the cache of components.
     *
     * @return string
     */
    public static function get_cache_content(): string {
        return "<?php \$cache = ['application' => 'of the tests'];\n";
    }
}
