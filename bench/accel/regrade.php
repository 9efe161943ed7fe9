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
 * Times whole regrades beside Moodle's own code, on a throwaway site: MOODLE_SITE names its tree.
 *
 *     build-support/moodle_site.py run -- php "$PWD/bench/accel/regrade.php" --users=2000 --items=60 --runs=3
 *
 * Each round does every case once, cold (no totals yet) and then warm (a forced regrade that changes nothing). CPU is that of
 * PHP, and of the database server. What Moodle keeps besides (events, history) is part of every case.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
define('CLI_SCRIPT', true);

require(getenv('MOODLE_SITE') . '/config.php');
require_once($CFG->libdir . '/clilib.php');
require_once($CFG->libdir . '/gradelib.php');
require_once($CFG->libdir . '/mathslib.php');
require_once($CFG->dirroot . '/local/accel/tests/fuzz/large_course.php');

use local_accel\engines;
use local_accel\fuzz\large_course;
use local_accel\regrade\regrader;

[$options] = cli_get_params(['users' => 2000, 'items' => 60, 'runs' => 3, 'cases' => 'core,php,native', 'seed' => 1, 'library' => '']);

/**
 * Returns the CPU seconds that the database server has used.
 *
 * @return float
 */
function database_cpu(): float {
    global $DB;
    static $pid = null;
    if ($pid === null) {
        $pid = $DB->get_dbfamily() === 'postgres'
            ? (int) $DB->get_field_sql('SELECT pg_backend_pid()')
            : (int) file_get_contents($DB->get_field_sql('SELECT @@pid_file'));
    }
    $fields = explode(' ', substr(strrchr(file_get_contents("/proc/{$pid}/stat"), ')'), 2));
    return ($fields[11] + $fields[12]) / 100;
}

/**
 * Runs a regrade and returns what it took.
 *
 * @param string $case core, php or native
 * @param int $course
 * @return array{wall: float, cpu: float, php: float, database: float, statements: int, megabytes: float}
 */
function measure(string $case, int $course): array {
    global $DB;
    grade_force_full_regrading($course);
    grade_category::clean_record_set();
    gc_collect_cycles();
    memory_reset_peak_usage();
    $usage = getrusage();
    [$statements, $database, $wall] = [$DB->perf_get_queries(), database_cpu(), hrtime(true)];
    if ($case === 'core') {
        $result = grade_regrade_final_grades($course);
        $right = $result === true;
    } else {
        $outcome = (new regrader($DB, engines::grade($case)))->regrade($course);
        $right = $outcome->engine === $case;
    }
    get_log_manager(true);
    if (!$right) {
        cli_error("{$case} did not regrade");
    }
    $after = getrusage();
    $php = ($after['ru_utime.tv_sec'] - $usage['ru_utime.tv_sec']) + ($after['ru_stime.tv_sec'] - $usage['ru_stime.tv_sec'])
        + ($after['ru_utime.tv_usec'] - $usage['ru_utime.tv_usec'] + $after['ru_stime.tv_usec'] - $usage['ru_stime.tv_usec']) / 1e6;
    $took = database_cpu() - $database;
    return [
        'wall' => (hrtime(true) - $wall) / 1e9,
        'cpu' => $php + $took,
        'php' => $php,
        'database' => $took,
        'statements' => $DB->perf_get_queries() - $statements,
        'megabytes' => memory_get_peak_usage() / 1048576,
    ];
}

if ($options['library'] !== '') {
    set_config('librarypath', $options['library'], 'local_accel');
}
\core\session\manager::set_user(get_admin());
$course = large_course::build((int) $options['users'], (int) $options['items'], (int) $options['seed']);
$figures = [];
for ($run = 0; $run < (int) $options['runs']; $run++) {
    foreach (explode(',', $options['cases']) as $case) {
        large_course::make_cold($course);
        foreach (['cold', 'warm'] as $state) {
            $figures["{$state} {$case}"][] = $figure = measure($case, $course);
            fprintf(STDERR, "run %d %s %s: %s\n", $run + 1, $state, $case, json_encode(array_map(fn($one) => round($one, 2), $figure)));
        }
    }
}
cli_writeln(json_encode([
    'php' => PHP_VERSION, 'database' => $DB->get_dbfamily() . ' ' . $DB->get_server_info()['version'],
    'users' => (int) $options['users'], 'items' => (int) $options['items'], 'figures' => $figures,
]));
