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
 * Runs one task for TASK_SECONDS, which SIGTERM lets finish and a second SIGTERM ends, as Moodle's cron does.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

define('CLI_SCRIPT', true);
require(__DIR__ . '/../../config.php');

$signals = 0;
pcntl_async_signals(true);
pcntl_signal(SIGTERM, static function () use (&$signals): void {
    if (++$signals > 1) {
        echo "exiting now\n";
        exit(1);
    }
    echo "exiting gracefully\n";
});
echo 'started: ', implode(' ', $argv), "\n";
$until = microtime(true) + (float) (getenv('TASK_SECONDS') ?: 0);
while (($left = $until - microtime(true)) > 0) {
    usleep((int) ($left * 1e6));
}
echo "task finished\n";
while ($signals === 0 && getenv('TASK_SECONDS') !== false) {
    usleep(100000);
}
