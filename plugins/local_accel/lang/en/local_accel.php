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
 * English strings of local_accel.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

defined('MOODLE_INTERNAL') || die();

$string['checknative_library'] = 'Native library of Accelerators';
$string['engine'] = 'Engine';
$string['engine_auto'] = 'Automatic';
$string['engine_desc'] = 'Automatic looks for the native library of this platform; PHP leaves it alone. This version accelerates nothing yet, so the choice only decides what the status check looks for.';
$string['engine_php'] = 'PHP';
$string['library_absent'] = 'Native library absent: Moodle works as without this plugin';
$string['library_absent_details'] = 'This version ships no native library. It would be read from {$a}.';
$string['library_configuredabsent'] = 'The configured native library does not exist';
$string['library_configuredabsent_details'] = 'There is no file {$a}. Correct the path in the settings, or empty it.';
$string['library_present'] = 'Native library found, but not used by this version';
$string['library_present_details'] = 'The library is {$a}. This version of the plugin does not load it.';
$string['library_unreadable'] = 'The native library cannot be read';
$string['library_unreadable_details'] = 'The web server user may not read {$a}, or it is not a file.';
$string['library_unsupported'] = 'Native library absent: there is none for this platform';
$string['library_unsupported_details'] = 'The platform is {$a}. Native libraries are meant for Linux on x86_64 and aarch64, with the GNU or the musl C library.';
$string['library_unwanted'] = 'The PHP engine is chosen; no native library is looked for';
$string['librarypath'] = 'Native library';
$string['librarypath_desc'] = 'Absolute path of the native library. Leave it empty to look where the plugin would carry the one of this platform.';
$string['pluginname'] = 'Accelerators';
$string['privacy:metadata'] = 'The Accelerators plugin stores no personal data.';
$string['regrade'] = 'Bulk regrade';
$string['regrade_desc'] = 'Regrade whole courses in bulk when Moodle queues a regrade, with the results of Moodle\'s own code. What cannot be done exactly is left to it.';
$string['regradedone'] = '{$a->users} users, {$a->inserted} grades inserted, {$a->updated} changed, engine {$a->engine}';
$string['regradeleft'] = 'done by Moodle\'s own code: {$a->reason} ({$a->detail})';
$string['regradeleft_busy'] = 'others changed its grades again and again';
$string['regradeleft_calculated_activity'] = 'the grade of an activity is calculated';
$string['regradeleft_circle'] = 'grade items depend on each other in a circle';
$string['regradeleft_database'] = 'there are bulk statements for MariaDB, MySQL and PostgreSQL only';
$string['regradeleft_formula'] = 'a formula cannot be evaluated in bulk, or fails';
$string['regradeleft_lock_due'] = 'a grade item is about to be locked';
$string['regradeleft_overflow'] = 'a total is too large for its column';
$string['regradeleft_transaction'] = 'a transaction is open';
$string['regradenothing'] = 'nothing to do';
$string['taskpreemptregrades'] = 'Take over queued regrades';
$string['taskregradecourse'] = 'Bulk regrade of a course';
