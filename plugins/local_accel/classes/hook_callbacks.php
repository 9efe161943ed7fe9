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

use core\hook\di_configuration;
use local_accel\local\hash\fastest_hasher;
use local_accel\local\library_locator;
use local_accel\local\native\loader;
use local_accel\local\platform;

/**
 * What local_accel does when core calls.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class hook_callbacks {
    /**
     * Offer the plugin's services to \core\di. On a production site PHP-DI compiles these closures into a file of its own, so
     * they may name only what can be called from there: no self, and nothing private.
     *
     * @param di_configuration $hook
     */
    public static function configure_di(di_configuration $hook): void {
        $hook->add_definition(loader::class, static fn(): loader => hook_callbacks::loader());
        $hook->add_definition(hasher::class, static fn(loader $loader): hasher => fastest_hasher::from($loader));
    }

    /**
     * Return the loader that the site's settings describe.
     *
     * @return loader
     */
    public static function loader(): loader {
        $config = get_config('local_accel');
        $locator = new library_locator(dirname(__DIR__), platform::current(), (string) ($config->librarypath ?? ''));
        return new loader(($config->engine ?? 'auto') !== 'php', $locator->locate());
    }
}
