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

use local_accel\local\native\loader;

/**
 * What PHP-FPM needs so that web pages can use the native library: a header, a script, and lines for php.ini.
 *
 * ffi.preload makes PHP load the library when it starts, opcache.preload marks the plugin's classes as code that may use
 * it. All other code of the site stays without FFI.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class preload {
    /** The header's file name. */
    public const HEADER = 'local_accel.h';

    /** The script's file name. */
    public const SCRIPT = 'local_accel_preload.php';

    /**
     * Describe a set-up.
     *
     * @param string $plugindir the plugin's folder
     * @param string $librarypath the library's absolute path
     * @throws \InvalidArgumentException if a header can't hold the path
     */
    public function __construct(
        /** @var string The plugin's folder. */
        private string $plugindir,
        /** @var string The library's absolute path. */
        private string $librarypath,
    ) {
        if (preg_match('~["\\\\\x00-\x1f]~', $librarypath) === 1) {
            throw new \InvalidArgumentException(
                "a header can't hold a path with quotation marks, backslashes or control characters: {$librarypath}",
            );
        }
    }

    /**
     * Return the header for ffi.preload: the library's declarations, its path and the name of the scope.
     *
     * @return string
     */
    public function header(): string {
        return '#define FFI_SCOPE "' . loader::SCOPE . "\"\n#define FFI_LIB \"{$this->librarypath}\"\n"
            . file_get_contents($this->plugindir . '/native/accel.h');
    }

    /**
     * Return the script for opcache.preload: it loads the classes that use FFI, and nothing else.
     *
     * @return string
     */
    public function script(): string {
        $folder = var_export($this->plugindir . '/classes/local/native', true);
        return "<?php\nforeach (glob({$folder} . '/*.php') as \$file) {\n    require_once(\$file);\n}\n";
    }

    /**
     * Return the lines for the php.ini of PHP-FPM.
     *
     * @param string $folder where header and script are
     * @param string $user who PHP-FPM's pools run as
     * @return string[]
     */
    public function ini(string $folder, string $user): array {
        return [
            'ffi.enable=preload',
            'ffi.preload=' . $folder . '/' . self::HEADER,
            'opcache.enable=1',
            'opcache.preload=' . $folder . '/' . self::SCRIPT,
            'opcache.preload_user=' . $user,
        ];
    }
}
