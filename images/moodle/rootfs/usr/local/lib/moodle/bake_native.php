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
 * Part of moodle-bake: bake_native.php LIBRARY FOLDER writes what PHP-FPM preloads for local_accel.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

// phpcs:disable moodle.Files.MoodleInternal
const MOODLE_INTERNAL = true;

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'local_accel\\')) {
        $path = str_replace('\\', '/', substr($class, strlen('local_accel\\')));
        require_once("/var/www/moodle/public/local/accel/classes/{$path}.php");
    }
});
[, $library, $folder] = $argv;
$preload = new \local_accel\local\preload('/var/www/moodle/public/local/accel', $folder);
foreach ($preload->write($library) as $path) {
    echo "moodle-bake: {$path}\n";
}
