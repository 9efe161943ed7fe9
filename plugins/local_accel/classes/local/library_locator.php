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

namespace local_accel\local;

/**
 * Says which native library a site would load, and whether it is there. It loads nothing.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class library_locator {
    /** The library's file name on Linux. */
    private const FILENAME = 'libaccel_ffi.so';

    /** The platforms for which native libraries are meant, by {@see platform::name()}. */
    private const PLATFORMS = ['linux-aarch64-gnu', 'linux-aarch64-musl', 'linux-x86_64-gnu', 'linux-x86_64-musl'];

    /**
     * Make a locator.
     *
     * @param string $plugindir the plugin's folder
     * @param platform $platform the platform that PHP runs on
     * @param string $configuredpath a path that a person gave, or an empty string
     */
    public function __construct(
        /** @var string The plugin's folder. */
        private string $plugindir,
        /** @var platform The platform that PHP runs on. */
        private platform $platform,
        /** @var string A path that a person gave, or an empty string. */
        private string $configuredpath = '',
    ) {
    }

    /**
     * Look for the library: at the configured path if there is one, else in the plugin's folder for the platform.
     *
     * @return library
     */
    public function locate(): library {
        $configuredpath = trim($this->configuredpath);
        if ($configuredpath !== '') {
            return new library($this->state($configuredpath), $configuredpath, true);
        }
        if (!in_array($this->platform->name(), self::PLATFORMS, true)) {
            return new library(library_state::UNSUPPORTED, null, false);
        }
        $path = implode('/', [$this->plugindir, 'native', $this->platform->name(), self::FILENAME]);
        return new library($this->state($path), $path, false);
    }

    /**
     * Say what is at a path. One that open_basedir forbids counts as absent.
     *
     * @param string $path
     * @return library_state
     */
    private function state(string $path): library_state {
        if (!@file_exists($path)) {
            return library_state::ABSENT;
        }
        return is_file($path) && is_readable($path) ? library_state::PRESENT : library_state::UNREADABLE;
    }
}
