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
 * Takes its time: work.php?seconds=N.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

require('config.php');
$seconds = (float) $_GET['seconds'];
touch("{$CFG->dataroot}/working_" . getmypid());
// A signal ends usleep, so it is asked for again.
for ($until = microtime(true) + $seconds; ($left = $until - microtime(true)) > 0;) {
    usleep((int) ($left * 1e6));
}
echo "worked for {$seconds} s\n";
