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
 * Regrades courses in bulk.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
define('CLI_SCRIPT', true);

require(__DIR__ . '/../../../config.php');
require_once($CFG->libdir . '/clilib.php');
require_once($CFG->libdir . '/gradelib.php');

use local_accel\engines;
use local_accel\regrade\regrader;

$usage = "Regrades courses in bulk, with the results of Moodle's own code.

    php public/local/accel/cli/regrade.php --courses=12,15
    php public/local/accel/cli/regrade.php --all

Options:
    --courses=IDS   the courses, by their ids
    --all           every course that needs it
    --force         also if a course does not need it
    --engine=NAME   auto, native or php (auto)
    --json          print a line of JSON for each course
    -h, --help      print this

Exit codes:
    0   every course was regraded, or did not need it
    1   Moodle reports errors in a course, such as a formula that can't be calculated
    2   the options are wrong
    3   a regrade failed; nothing of that course was written
";

[$options, $unknown] = cli_get_params(
    ['courses' => '', 'all' => false, 'force' => false, 'engine' => 'auto', 'json' => false, 'help' => false],
    ['h' => 'help'],
);
if ($options['help']) {
    cli_writeln($usage);
    exit(0);
}
$wrong = match (true) {
    (bool) $unknown => 'unknown: ' . implode(' ', $unknown),
    (bool) $options['all'] === ($options['courses'] !== '') => 'give either --courses or --all',
    $options['courses'] !== '' && !preg_match('/^\d+(,\d+)*$/', $options['courses']) => '--courses takes ids, as 12,15',
    !in_array($options['engine'], ['auto', 'native', 'php'], true) => '--engine takes auto, native or php',
    default => null,
};
if ($wrong !== null) {
    cli_problem($wrong);
    cli_writeln($usage);
    exit(2);
}

$courses = $options['all']
    ? $DB->get_fieldset_sql("SELECT DISTINCT courseid FROM {grade_items} WHERE itemtype = 'course' AND needsupdate <> 0")
    : explode(',', $options['courses']);
foreach ($courses as $course) {
    if (!$DB->record_exists('course', ['id' => $course])) {
        cli_problem("there is no course {$course}");
        exit(2);
    }
}
\core\session\manager::set_user(get_admin());
try {
    $engine = engines::grade($options['engine']);
} catch (\moodle_exception $exception) {
    cli_problem($exception->getMessage());
    exit(2);
}
$regrader = new regrader($DB, $engine);
$code = 0;
foreach ($courses as $number => $course) {
    if ($options['force']) {
        grade_force_full_regrading($course);
    }
    $begin = microtime(true);
    try {
        $outcome = $regrader->regrade((int) $course);
    } catch (\Throwable $failure) {
        cli_problem("course {$course}: {$failure->getMessage()}");
        $code = 3;
        continue;
    }
    $seconds = round(microtime(true) - $begin, 2);
    if ($outcome->errors) {
        $code = max($code, 1);
    }
    if ($options['json']) {
        cli_writeln(json_encode(['course' => (int) $course, 'seconds' => $seconds] + $outcome->jsonSerialize()));
        continue;
    }
    cli_writeln('[' . ($number + 1) . '/' . count($courses) . "] course {$course}: {$outcome->text()} ({$seconds} s)");
    foreach ($outcome->errors as $item => $error) {
        cli_writeln("    grade item {$item}: {$error}");
    }
}
exit($code);
