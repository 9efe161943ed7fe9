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
 * Measures the hash engines of this machine: see --help.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

use local_accel\local\hash\bench;
use local_accel\local\hash\engine_name;
use local_accel\local\hash\native_engine;
use local_accel\local\hash\openssl_engine;
use local_accel\local\hash\php_engine;
use local_accel\local\native\hash;
use local_accel\local\native\loader;

define('CLI_SCRIPT', true);

require(__DIR__ . '/../../../config.php');
require_once($CFG->libdir . '/clilib.php');

[$options, $unrecognised] = cli_get_params(
    ['help' => false, 'json' => false, 'rounds' => '7'],
    ['h' => 'help'],
);

if ($unrecognised !== []) {
    cli_error(get_string('cliunknowoption', 'admin', implode(PHP_EOL . '  ', $unrecognised)), 1);
}
if ($options['help']) {
    cli_writeln(get_string('bench_help', 'local_accel'));
    exit(0);
}
if (!is_string($options['rounds']) || preg_match('~\A[1-9][0-9]{0,3}\z~', $options['rounds']) !== 1) {
    cli_error(get_string('bench_rounds', 'local_accel', $options['rounds']), 1);
}

$engines = [engine_name::PHP->value => new php_engine()];
if (extension_loaded('openssl')) {
    $engines[engine_name::OPENSSL->value] = new openssl_engine();
}
$handle = \core\di::get(loader::class)->handle();
if ($handle !== null) {
    $engines[engine_name::NATIVE->value] = new native_engine(new hash($handle));
}
$bench = new bench($engines, make_request_directory(), (int) $options['rounds']);

if ($options['json']) {
    $measurements = [];
    foreach ($bench->run() as $measurement) {
        $measurements[] = $measurement->export();
    }
    cli_writeln(json_encode([
        'php' => PHP_VERSION,
        'processor' => php_uname('m'),
        'library' => $handle?->version(),
        'rounds' => (int) $options['rounds'],
        'measurements' => $measurements,
    ], JSON_PRETTY_PRINT));
    exit(0);
}

if ($handle === null) {
    cli_writeln(get_string('bench_nolibrary', 'local_accel'));
}
cli_writeln(get_string('bench_heading', 'local_accel'));
foreach ($bench->run() as $measurement) {
    $export = $measurement->export();
    $columns = [sprintf('%-6s %-6s %10d', $export['operation'], $export['algorithm'], $export['bytes'])];
    foreach ($export['engines'] as $name => $times) {
        $columns[] = sprintf(
            '%s %.2f (%.2f-%.2f)',
            $name,
            $times['median_ns'] / 1000,
            $times['min_ns'] / 1000,
            $times['max_ns'] / 1000,
        );
    }
    cli_writeln(implode('  ', $columns));
}
