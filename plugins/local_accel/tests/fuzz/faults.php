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
 * What can go wrong while a course is regraded, tried for real on a throwaway site.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
define('CLI_SCRIPT', true);

require(__DIR__ . '/../../../../config.php');
require_once($CFG->libdir . '/clilib.php');
require_once($CFG->libdir . '/gradelib.php');
require_once($CFG->libdir . '/mathslib.php');
require_once(__DIR__ . '/large_course.php');
require_once(__DIR__ . '/ordered_database.php');

use local_accel\engines;
use local_accel\fuzz\large_course;
use local_accel\fuzz\ordered_database;

[$options] = cli_get_params(['users' => 400, 'items' => 24, 'kills' => 12, 'many' => 50000, 'engine' => 'auto', 'seed' => 0, 'only' => '']);
$seed = (int) $options['seed'] ?: random_int(1, 1 << 30);
mt_srand($seed);
cli_writeln("seed {$seed}, {$DB->get_dbfamily()} {$DB->get_server_info()['version']}, engine " . engines::grade($options['engine'])->name());
// Moodle says of each activity here that it doesn't exist. Any function of two strings will do.
$CFG->mtrace_wrapper = 'strcmp';
ordered_database::connect();
\core\session\manager::set_user(get_admin());
raise_memory_limit(MEMORY_HUGE);

/**
 * Runs the regrade of a course in another process.
 *
 * @param int $course
 * @return array{resource, resource} the process, and where its output can be read
 */
function regrade_elsewhere(int $course): array {
    global $options;
    $command = [PHP_BINARY, __DIR__ . '/../../cli/regrade.php', "--courses={$course}", "--engine={$options['engine']}", '--json'];
    $process = proc_open($command, [1 => ['pipe', 'w'], 2 => STDERR], $pipes);
    return [$process, $pipes[1]];
}

/**
 * Waits for a process and returns what it said.
 *
 * @param array $started as {@see regrade_elsewhere()} gives it
 * @return array
 */
function finish(array $started): array {
    [$process, $output] = $started;
    $said = stream_get_contents($output);
    $code = proc_close($process);
    expect($code === 0, "the regrade ended with {$code}: {$said}");
    return json_decode(trim($said), true, flags: JSON_THROW_ON_ERROR);
}

/**
 * Ends with an error unless something holds.
 *
 * @param bool $holds
 * @param string $otherwise
 */
function expect(bool $holds, string $otherwise): void {
    if (!$holds) {
        cli_error("FAILED: {$otherwise}");
    }
}

/**
 * Returns all grades of a course, without the times.
 *
 * @param int $course
 * @return list<string>
 */
function grades(int $course): array {
    global $DB;
    $rows = $DB->get_recordset_sql(
        'SELECT g.itemid, g.userid, g.finalgrade, g.rawgrademin, g.rawgrademax, g.overridden, g.aggregationstatus, g.aggregationweight
           FROM {grade_grades} g JOIN {grade_items} i ON i.id = g.itemid WHERE i.courseid = ? ORDER BY g.itemid, g.userid',
        [$course],
    );
    $grades = array_map('json_encode', iterator_to_array($rows, false));
    $rows->close();
    return $grades;
}

/**
 * Tells whether a course is marked for a regrade.
 *
 * @param int $course
 * @return bool
 */
function marked(int $course): bool {
    global $DB;
    return (bool) $DB->get_field('grade_items', 'needsupdate', ['courseid' => $course, 'itemtype' => 'course']);
}

/**
 * Expects that Moodle's own code, made to regrade a course, would change nothing.
 *
 * @param int $course
 * @param string $after
 */
function expect_right(int $course, string $after): void {
    global $DB;
    expect(!marked($course), "{$after}: the course is still marked");
    $before = grades($course);
    $transaction = $DB->start_delegated_transaction();
    grade_force_full_regrading($course);
    grade_category::clean_record_set();
    expect(grade_regrade_final_grades($course) === true, "{$after}: Moodle's own regrade reports errors");
    $core = grades($course);
    $DB->force_transaction_rollback();
    unset($transaction);
    $differences = implode("\n", array_slice([...array_diff($core, $before), '---', ...array_diff($before, $core)], 0, 20));
    expect($core === $before, "{$after}: Moodle's own code gives other grades:\n{$differences}");
}

$scenarios = [];

$scenarios['two regrades at once'] = static function (int $course): string {
    large_course::make_cold($course);
    grade_force_full_regrading($course);
    $both = [regrade_elsewhere($course), regrade_elsewhere($course)];
    $engines = array_map(static fn(array $one): string => finish($one)['engine'], $both);
    sort($engines);
    expect($engines[0] === '' && $engines[1] !== '', 'one does it, the other finds nothing to do: ' . json_encode($engines));
    expect_right($course, 'two regrades at once');
    return 'one did it, the other found nothing to do';
};

$scenarios['killed in the middle'] = static function (int $course) use ($options): string {
    large_course::make_cold($course);
    grade_force_full_regrading($course);
    $before = grades($course);
    $began = microtime(true);
    finish(regrade_elsewhere($course));
    $takes = (microtime(true) - $began) * 1e6;
    $after = grades($course);
    expect($before !== $after, 'the regrade changes grades');
    $nothing = $all = 0;
    for ($kill = 1; $kill <= (int) $options['kills']; $kill++) {
        large_course::make_cold($course);
        grade_force_full_regrading($course);
        [$process, $output] = regrade_elsewhere($course);
        usleep((int) ($takes * mt_rand(20, 100) / 100));
        posix_kill(proc_get_status($process)['pid'], SIGKILL);
        stream_get_contents($output);
        proc_close($process);
        $state = grades($course);
        expect($state === $before || $state === $after, "kill {$kill}: neither nothing nor all is written");
        expect($state === $after || marked($course), "kill {$kill}: the course is no longer marked");
        $state === $before ? $nothing++ : $all++;
    }
    grade_force_full_regrading($course);
    finish(regrade_elsewhere($course));
    expect_right($course, 'killed in the middle');
    return "{$nothing} times nothing was written, {$all} times all";
};

$scenarios['teachers and activities change grades meanwhile'] = static function (int $course) use ($options): string {
    global $DB;
    $items = grade_item::fetch_all(['courseid' => $course, 'itemtype' => 'manual', 'calculation' => null]);
    $activities = grade_item::fetch_all(['courseid' => $course, 'itemtype' => 'mod']);
    $totals = grade_item::fetch_all(['courseid' => $course, 'itemtype' => 'category']);
    $changes = $regrades = $again = $failed = 0;
    for ($round = 0; $round < 6; $round++) {
        if ($round % 2 === 0) {
            large_course::make_cold($course);
        }
        grade_force_full_regrading($course);
        $regrade = regrade_elsewhere($course);
        while (proc_get_status($regrade[0])['running']) {
            $of = match (mt_rand(1, 5)) {
                1 => $totals,
                2, 3 => $activities,
                default => $items,
            };
            $item = grade_item::fetch(['id' => array_rand($of)]);
            $user = large_course::FIRST_USER + mt_rand(0, $options['users'] - 1);
            $grade = mt_rand(0, 100);
            $changes++;
            if ($item->itemtype === 'mod') {
                $item->update_raw_grade($user, $grade, 'mod/assign');
                continue;
            }
            try {
                $item->update_final_grade($user, $grade, 'gradebook');
            } catch (dml_write_exception $refused) {
                // Both have just made the first row of a total: the teacher saves once more.
                $again++;
                $item->update_final_grade($user, $grade, 'gradebook');
            }
            usleep(20000);
        }
        // One that met others ten times is left to Moodle's own code, which may fail when they insert the row that it inserts.
        $said = stream_get_contents($regrade[1]);
        $failed += (int) (json_decode($said) === null);
        proc_close($regrade[0]);
        while (marked($course)) {
            finish(regrade_elsewhere($course));
            $regrades++;
        }
        expect_right($course, "round {$round}");
    }
    $DB->set_field_select('grade_grades', 'overridden', 0, 'itemid IN (SELECT id FROM {grade_items} WHERE courseid = ?)', [$course]);
    return "{$changes} changes in 6 rounds, {$again} saved twice, {$failed} regrades failed, {$regrades} further regrades that they asked for";
};

$scenarios['a deadlock'] = static function (int $course): string {
    global $CFG, $DB;
    large_course::make_cold($course);
    grade_force_full_regrading($course);
    $driver = get_class($DB);
    $other = new $driver();
    $other->connect($CFG->dbhost, $CFG->dbuser, $CFG->dbpass, $CFG->dbname, $CFG->prefix, $CFG->dboptions);
    $rows = array_keys($DB->get_records_sql(
        "SELECT g.id FROM {grade_grades} g JOIN {grade_items} i ON i.id = g.itemid WHERE i.courseid = ? ORDER BY g.id",
        [$course],
    ));
    $transaction = $other->start_delegated_transaction();
    // The database gives up the transaction that has written less, so that this one writes more.
    $other->execute('INSERT INTO {grade_grades_history} (action, oldid, source, timemodified, itemid, userid)
        SELECT 1, id, ?, 0, 0, 0 FROM {grade_grades}', ['deadlock']);
    $other->execute("INSERT INTO {grade_grades_history} (action, oldid, source, timemodified, itemid, userid)
        SELECT 1, id, ?, 0, 0, 0 FROM {grade_grades_history} WHERE source = 'deadlock'", ['deadlock']);
    $other->set_field('grade_grades', 'hidden', 0, ['id' => end($rows)]);
    $other->execute('UPDATE {grade_grades} SET hidden = 1 WHERE id = ?', [end($rows)]);
    $regrade = regrade_elsewhere($course);
    $waiting = $DB->get_dbfamily() === 'postgres'
        ? "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        : "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'";
    for ($tries = 0; !$DB->count_records_sql($waiting); $tries++) {
        expect($tries < 300, 'the regrade never waits for the lock');
        // MariaDB shows what it showed before to whoever asks again within a tenth of a second.
        usleep(200000);
    }
    $other->execute('UPDATE {grade_grades} SET hidden = 0 WHERE id = ?', [reset($rows)]);
    $other->force_transaction_rollback();
    unset($transaction);
    $other->dispose();
    $said = finish($regrade);
    expect($said['attempts'] > 1, 'the regrade began again: ' . json_encode($said));
    expect_right($course, 'a deadlock');
    return "done at attempt {$said['attempts']}";
};

$scenarios['many users in 256 MB'] = static function () use ($options, $seed): string {
    global $DB;
    $course = large_course::build((int) $options['many'], 12, $seed);
    grade_force_full_regrading($course);
    $command = [PHP_BINARY, '-d', 'memory_limit=256M', __DIR__ . '/regrade_within.php', "--course={$course}", "--engine={$options['engine']}"];
    $process = proc_open($command, [1 => ['pipe', 'w'], 2 => STDERR], $pipes);
    $said = finish([$process, $pipes[1]]);
    expect($said['users'] === (int) $options['many'] && $said['megabytes'] < 256, json_encode($said));
    expect(!marked($course), 'the course is still marked');
    return sprintf('%d users, %d grades inserted, peak %.0f MB', $said['users'], $said['inserted'], $said['megabytes']);
};

$course = large_course::build((int) $options['users'], (int) $options['items'], $seed);
$passed = 0;
foreach ($scenarios as $name => $scenario) {
    if ($options['only'] !== '' && $options['only'] !== $name) {
        continue;
    }
    cli_writeln("{$name}: " . $scenario($course));
    $passed++;
}
cli_writeln("{$passed} scenarios passed");
