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
 * One run of one contender of pool.py: pool.php LIBRARY CONTENDER PATH [THREADS or FOLDER].
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

use local_accel\local\native\handle;
use local_accel\local\native\hash;
use local_accel\local\native\pool;
use local_accel\local\pool\contents;
use local_accel\local\pool\effort;
use local_accel\local\pool\ingest;
use local_accel\local\pool\layout;
use local_accel\local\pool\native_copier;
use local_accel\local\pool\native_engine;
use local_accel\local\pool\php_copier;
use local_accel\local\pool\php_engine;

$plugin = dirname(__DIR__, 2) . '/plugins/local_accel';
spl_autoload_register(static function (string $class) use ($plugin): void {
    require("{$plugin}/classes/" . str_replace('\\', '/', substr($class, strlen('local_accel\\'))) . '.php');
});

[, $library, $contender, $path] = $argv;
$handle = static fn(): handle => new handle(FFI::cdef(file_get_contents("{$plugin}/native/accel.h"), $library));
$scan = static function ($engine, int $threads) use ($path): void {
    foreach ($engine->scan($path, layout::units(), new effort($threads)) as $step) {
        if ($step instanceof contents && $step->findings) {
            throw new RuntimeException('the pool is not intact');
        }
    }
};
// What file_system_filedir::add_file_from_path does with the bytes of a new file, and of one that the pool has.
$core = static function (string $target) use ($path): void {
    $hash = sha1_file($path);
    if (!copy($path, $target) || sha1_file($target) !== $hash) {
        throw new RuntimeException('not copied');
    }
};
$target = ($argv[4] ?? '') . '/target';
match ($contender) {
    'sha1_file' => (static function () use ($path): void {
        $files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator($path, FilesystemIterator::SKIP_DOTS));
        foreach ($files as $file) {
            if (sha1_file($file->getPathname()) !== $file->getFilename()) {
                throw new RuntimeException('the pool is not intact');
            }
        }
    })(),
    'php' => $scan(new php_engine(), 1),
    'native' => $scan(new native_engine(new pool($handle())), (int) $argv[4]),
    'ingest-core' => $core($target),
    'again-core' => sha1_file($path),
    'ingest-php' => (new ingest(new php_copier()))->stage($path, $target),
    'ingest-native', 'again-native' => (new ingest(new native_copier(new hash($handle()), new php_copier())))->stage($path, $target),
};
@unlink($target);
