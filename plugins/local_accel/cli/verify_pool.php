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
 * Verifies the file pool: every object is read, hashed and compared with the database.
 *
 * Exit codes: 0 nothing found, 1 something found, 2 could not run, 3 stopped before the end.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

use local_accel\local\pool\effort;
use local_accel\local\pool\layout;
use local_accel\engines;
use local_accel\pool\owners;
use local_accel\pool\progress_line;
use local_accel\pool\report;
use local_accel\pool\run;
use local_accel\pool\verification;

define('CLI_SCRIPT', true);

require(__DIR__ . '/../../../config.php');
require_once($CFG->libdir . '/clilib.php');

[$options, $unrecognized] = cli_get_params(
    [
        'help' => false,
        'engine' => 'auto',
        'folders' => '',
        'json' => false,
        'minutes' => 0,
        'rate' => 0,
        'report' => '',
        'restart' => false,
        'resume' => false,
        'threads' => (int) get_config('local_accel', 'poolthreads'),
    ],
    ['h' => 'help']
);

if ($unrecognized) {
    cli_error(get_string('cliunknowoption', 'core_admin', implode("\n  ", $unrecognized)), 2);
}
if ($options['help']) {
    cli_writeln(get_string('pool_help', 'local_accel'));
    exit(0);
}
foreach (['minutes' => 0, 'rate' => 0, 'threads' => 1] as $name => $least) {
    $value = filter_var($options[$name], FILTER_VALIDATE_FLOAT);
    if ($value === false || $value < $least || $name === 'threads' && ($value > 256 || $value != (int) $value)) {
        cli_error(get_string('pool_badoption', 'local_accel', "--{$name}={$options[$name]}"), 2);
    }
}
if (!in_array($options['engine'], ['auto', 'native', 'php'], true)) {
    cli_error(get_string('pool_badoption', 'local_accel', "--engine={$options['engine']}"), 2);
}
try {
    $units = $options['folders'] === '' ? layout::units() : layout::parse_units((string) $options['folders']);
} catch (InvalidArgumentException $error) {
    cli_error(get_string('pool_badoption', 'local_accel', "--folders={$options['folders']}: {$error->getMessage()}"), 2);
}
$reportfile = null;
if ($options['report'] !== '') {
    $reportfile = @fopen($options['report'], 'wb');
    if (!$reportfile) {
        cli_error(get_string('pool_badreport', 'local_accel', $options['report']), 2);
    }
}

try {
    $verification = verification::of_site(engines::pool($options['engine']));
    $journal = $verification->journal;
    $lock = $verification->lock();
    $run = $journal->unfinished();
    if ($options['resume']) {
        if (!$run) {
            cli_error(get_string('pool_nothingtoresume', 'local_accel'), 2);
        }
    } else if ($run && !$options['restart']) {
        cli_error(get_string('pool_unfinished', 'local_accel', (object) [
            'time' => userdate($run->timestarted),
            'done' => $run->done,
            'units' => count($run->units),
        ]), 2);
    } else {
        $run = $journal->begin($units);
    }
    $effort = new effort((int) $options['threads'], (int) (1048576 * $options['rate']));
    $line = new progress_line(STDERR, stream_isatty(STDERR), $run);
    $end = $options['minutes'] > 0 ? microtime(true) + 60 * $options['minutes'] : INF;
    foreach ($verification->go_on($run, $effort, (int) get_config('local_accel', 'poolgrace')) as $step) {
        if ($step instanceof run) {
            $run = $step;
            $line->unit($run);
        } else {
            $line->bytes($step->bytes);
        }
        if ($step instanceof run && microtime(true) >= $end) {
            break;
        }
    }
    $line->end();
    $lock->release();
    $report = new report($verification, $run, \core\di::get(owners::class));
    if ($reportfile) {
        $report->write_json($reportfile);
        fclose($reportfile);
    }
    if ($options['json']) {
        $report->write_json(STDOUT);
    } else {
        $report->write_text(STDOUT);
    }
} catch (moodle_exception $error) {
    cli_error($error->getMessage(), 2);
}
if ($run->timefinished === null) {
    cli_problem(get_string('pool_stopped', 'local_accel'));
    exit(3);
}
exit($journal->counts($run) ? 1 : 0);
