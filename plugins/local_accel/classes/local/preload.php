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
 * What PHP-FPM needs so that web pages can use the native library: a library, a header, a script, and lines for php.ini.
 *
 * ffi.preload makes PHP load the library when it starts, opcache.preload marks the plugin's classes as code that may use
 * it. All other code of the site stays without FFI.
 *
 * PHP-FPM does not start at all if the header or the library is not there or does not fit the other, and a process that
 * has loaded a library crashes if that file is overwritten. So the library is copied: an upgrade or a removal of the plugin
 * leaves what is preloaded as it was. After an upgrade with another ABI pages work in PHP until it is written again.
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

    /** The library's file name. */
    public const LIBRARY = 'libaccel_ffi.so';

    /**
     * Describe a set-up.
     *
     * @param string $plugindir the plugin's folder
     * @param string $folder the set-up's folder, absolute
     * @throws \InvalidArgumentException if a header can't hold the path
     */
    public function __construct(
        /** @var string The plugin's folder. */
        private string $plugindir,
        /** @var string The set-up's folder, absolute. */
        private string $folder,
    ) {
        if (preg_match('~["\\\\\x00-\x1f]~', $folder) === 1) {
            throw new \InvalidArgumentException(
                "a header can't hold a path with quotation marks, backslashes or control characters: {$folder}",
            );
        }
    }

    /**
     * Write the set-up to its folder. Each file is put in place as a whole, the header last.
     *
     * @param string $librarypath the library, whose checksum was found right
     * @return string[] the paths of the files
     * @throws \RuntimeException that names the file which can't be written
     */
    public function write(string $librarypath): array {
        $contents = [
            self::LIBRARY => (string) @file_get_contents($librarypath),
            self::SCRIPT => $this->script(),
            self::HEADER => $this->header(),
        ];
        $paths = [];
        foreach ($contents as $name => $content) {
            $paths[] = $path = "{$this->folder}/{$name}";
            if (
                @file_put_contents("{$path}.new", $content) !== strlen($content)
                || !@chmod("{$path}.new", 0644)
                || !@rename("{$path}.new", $path)
            ) {
                @unlink("{$path}.new");
                throw new \RuntimeException($path);
            }
        }
        return $paths;
    }

    /**
     * Return the header for ffi.preload: the library's declarations, its path and the name of the scope.
     *
     * @return string
     */
    private function header(): string {
        return '#define FFI_SCOPE "' . loader::SCOPE . "\"\n#define FFI_LIB \"{$this->folder}/" . self::LIBRARY . "\"\n"
            . file_get_contents($this->plugindir . '/native/accel.h');
    }

    /**
     * Return the script for opcache.preload: it loads the classes that use FFI, if they are there, and nothing else.
     *
     * @return string
     */
    private function script(): string {
        $pattern = var_export($this->plugindir . '/classes/local/native/*.php', true);
        return "<?php\nforeach (glob({$pattern}) ?: [] as \$file) {\n    require_once(\$file);\n}\n";
    }

    /**
     * Return the lines for the php.ini of PHP-FPM.
     *
     * @param string $user who PHP-FPM's pools run as
     * @return string[]
     */
    public function ini(string $user): array {
        return [
            'ffi.enable=preload',
            'ffi.preload=' . $this->folder . '/' . self::HEADER,
            'opcache.enable=1',
            'opcache.preload=' . $this->folder . '/' . self::SCRIPT,
            'opcache.preload_user=' . $user,
        ];
    }
}
