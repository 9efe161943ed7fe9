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
 * Says whether the native library is used, and how PHP is set up for it: see --help.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

use local_accel\local\native\loader;
use local_accel\local\preload;

define('CLI_SCRIPT', true);

require(__DIR__ . '/../../../config.php');
require_once($CFG->libdir . '/clilib.php');

[$options, $unrecognised] = cli_get_params(
    ['help' => false, 'user' => 'www-data', 'write' => ''],
    ['h' => 'help'],
);

if ($unrecognised !== []) {
    cli_error(get_string('cliunknowoption', 'admin', implode(PHP_EOL . '  ', $unrecognised)), 1);
}
if ($options['help']) {
    cli_writeln(get_string('doctor_help', 'local_accel'));
    exit(0);
}
foreach (['user', 'write'] as $name) {
    if (!is_string($options[$name])) {
        cli_error(get_string('doctor_value', 'local_accel', $name), 1);
    }
}

$loader = \core\di::get(loader::class);
$outcome = $loader->load();
if ($outcome->handle === null) {
    $report = new \local_accel\refusal_report($outcome, $loader->library);
    cli_writeln($report->summary());
    cli_writeln($report->details());
    exit(2);
}
cli_writeln(get_string('doctor_loaded', 'local_accel', [
    'path' => $loader->library->path,
    'version' => $outcome->handle->version(),
]));

if ($options['write'] === '') {
    cli_writeln(get_string('doctor_hint', 'local_accel'));
    foreach ((new preload(dirname(__DIR__), 'DIR'))->ini($options['user']) as $line) {
        cli_writeln("    {$line}");
    }
    exit(0);
}
$folder = realpath($options['write']);
if ($folder === false || !is_dir($folder) || !is_writable($folder)) {
    cli_error(get_string('doctor_folder', 'local_accel', $options['write']), 1);
}
try {
    $preload = new preload(dirname(__DIR__), $folder);
    foreach ($preload->write($loader->library->path) as $path) {
        cli_writeln(get_string('doctor_written', 'local_accel', $path));
    }
} catch (\InvalidArgumentException $error) {
    cli_error($error->getMessage(), 1);
} catch (\RuntimeException $error) {
    cli_error(get_string('doctor_unwritten', 'local_accel', $error->getMessage()), 1);
}
cli_writeln(get_string('doctor_ini', 'local_accel'));
foreach ($preload->ini($options['user']) as $line) {
    cli_writeln("    {$line}");
}
cli_writeln(get_string('doctor_restart', 'local_accel'));
