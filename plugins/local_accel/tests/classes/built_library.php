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

namespace local_accel\tests;

use local_accel\local\library;
use local_accel\local\library_state;
use local_accel\local\native\handle;
use local_accel\local\native\loader;
use PHPUnit\Framework\Assert;

/**
 * The native library that tests load: the one that ACCEL_LIBRARY names, else one that cargo builds from this repository.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class built_library {
    /** @var string|null The path, once it is known. */
    private static ?string $path = null;

    /**
     * Return the library's path. Where there is none, the test is skipped.
     *
     * @return string
     */
    public static function path(): string {
        if (!extension_loaded('FFI')) {
            Assert::markTestSkipped('PHP has no FFI extension');
        }
        return self::$path ??= self::named() ?? self::build();
    }

    /**
     * Put a copy of the library, with its checksum, into a folder.
     *
     * @param string $folder
     * @return string the copy's path
     */
    public static function install(string $folder): string {
        $path = "{$folder}/libaccel_ffi.so";
        // Who has loaded what was there before crashes if that is overwritten.
        copy(self::path(), "{$path}.new");
        rename("{$path}.new", $path);
        self::write_checksum($path);
        return $path;
    }

    /**
     * Write the checksum of a library beside it, as sha256sum does.
     *
     * @param string $path
     */
    public static function write_checksum(string $path): void {
        file_put_contents("{$path}.sha256", hash_file('sha256', $path) . '  ' . basename($path) . "\n");
    }

    /**
     * Load a copy of the library.
     *
     * @param string $folder where the copy is put
     * @return handle
     */
    public static function handle(string $folder): handle {
        $library = new library(library_state::PRESENT, self::install($folder), true);
        $outcome = (new loader(true, $library, false))->load();
        Assert::assertNotNull($outcome->handle, "{$outcome->refusal?->value}: {$outcome->detail}");
        return $outcome->handle;
    }

    /**
     * Make every call of a loaded library panic from now on, or end that.
     *
     * @param string $path
     * @param bool $panic
     */
    public static function arm(string $path, bool $panic): void {
        try {
            $ffi = \FFI::cdef('void accel_faults_arm(int32_t fault);', $path);
        } catch (\FFI\Exception) {
            Assert::markTestSkipped('the library is built without the feature faults');
        }
        $ffi->accel_faults_arm($panic ? 1 : 0);
    }

    /**
     * Return the path that the environment names.
     *
     * @return string|null
     */
    private static function named(): ?string {
        $path = getenv('ACCEL_LIBRARY');
        if ($path === false || $path === '') {
            return null;
        }
        Assert::assertFileExists($path, 'ACCEL_LIBRARY');
        return $path;
    }

    /**
     * Build the library.
     *
     * @return string
     */
    private static function build(): string {
        $manifest = dirname(__DIR__, 4) . '/crates/accel-ffi/Cargo.toml';
        if (!is_file($manifest)) {
            Assert::markTestSkipped('ACCEL_LIBRARY names no library, and its source is not there');
        }
        if (self::run(['cargo', '--version'])[0] !== 0) {
            Assert::markTestSkipped('ACCEL_LIBRARY names no library, and there is no cargo to build one');
        }
        [$code, $output] = self::run([
            'cargo', 'build', '--locked', '--features', 'faults', '--message-format', 'json', '--manifest-path', $manifest,
        ]);
        Assert::assertSame(0, $code, 'cargo cannot build the library');
        foreach (explode("\n", $output) as $line) {
            foreach (json_decode($line, true)['filenames'] ?? [] as $file) {
                if (basename($file) === 'libaccel_ffi.so') {
                    return $file;
                }
            }
        }
        Assert::fail('cargo built no libaccel_ffi.so');
    }

    /**
     * Run a program.
     *
     * @param string[] $command
     * @return array{int, string} its exit code, and what it wrote
     */
    private static function run(array $command): array {
        exec(implode(' ', array_map(escapeshellarg(...), $command)) . ' 2>/dev/null', $lines, $code);
        return [$code, implode("\n", $lines)];
    }
}
