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
 * Differential fuzz of the bulk regrade: random gradebooks, Moodle's own code as the oracle.
 *
 * Run it on a throwaway site: it changes settings of the site.
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
require_once(__DIR__ . '/ordered_database.php');
require_once(__DIR__ . '/random_course.php');
require_once(__DIR__ . '/trial.php');

use local_accel\engines;
use local_accel\fuzz\ordered_database;
use local_accel\fuzz\random_course;
use local_accel\fuzz\trial;

[$options, $unknown] = cli_get_params(
    ['courses' => 200, 'seed' => 0, 'rounds' => 2, 'engine' => 'php', 'shrink' => true, 'spec' => '', 'help' => false],
    ['h' => 'help'],
);
if ($unknown || $options['help']) {
    cli_writeln('Usage: php regrade.php [--courses=200] [--seed=N] [--rounds=2] [--engine=php|native] [--shrink=0] [--spec=FILE]');
    cli_writeln('--spec runs one gradebook again, in the JSON that a difference is shown with.');
    exit($unknown ? 2 : 0);
}

$seed = (int) $options['seed'] ?: random_int(1, 1 << 30);
cli_writeln("seed {$seed}, PHP " . PHP_VERSION . ", {$CFG->dbtype} {$DB->get_server_info()['version']}, engine {$options['engine']}");
\core\session\manager::set_user(get_admin());
// Moodle says of each activity of a trial that it doesn't exist. Any function of two strings will do.
$CFG->mtrace_wrapper = 'strcmp';
trial::watch();
ordered_database::connect();
$engine = engines::grade($options['engine']);
$trial = new trial($engine);
$failed = 0;
$left = [];
if ($options['spec']) {
    $given = json_decode(file_get_contents($options['spec']), true, flags: JSON_THROW_ON_ERROR);
    $result = $trial->run($given['spec'], $given['rounds']);
    cli_writeln(implode("\n", $result['differences']));
    exit($result['differences'] ? 1 : 0);
}
for ($at = 0; $at < (int) $options['courses']; $at++) {
    $one = $seed + $at;
    $spec = random_course::draw($one);
    $rounds = [];
    for ($round = 1; $round <= (int) $options['rounds']; $round++) {
        $rounds[] = random_course::changes($spec, $one * 31 + $round);
    }
    $result = $trial->run($spec, $rounds);
    if ($result['left'] !== null) {
        $reason = strtok($result['left'], ':');
        $left[$reason] = ($left[$reason] ?? 0) + 1;
    }
    if (!$result['differences']) {
        continue;
    }
    $failed++;
    cli_writeln("\ncourse of seed {$one} differs:");
    if ($options['shrink']) {
        [$spec, $rounds] = $trial->shrink($spec, $rounds);
        $result = $trial->run($spec, $rounds);
    }
    cli_writeln(json_encode(['spec' => $spec, 'rounds' => $rounds], JSON_PRETTY_PRINT));
    cli_writeln(implode("\n", $result['differences']));
    if ($failed >= 3) {
        break;
    }
}
cli_writeln("{$at} courses of " . ((int) $options['rounds'] + 1) . " regrades, {$failed} differ; left to Moodle's own code: " . json_encode($left));
exit($failed ? 1 : 0);
