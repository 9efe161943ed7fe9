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

$string['bench_heading'] = 'Microseconds of CPU time of one call: median (least-most)';
$string['bench_help'] = 'Measures on this machine what the hash engines (native library, OpenSSL, PHP) take for strings, files and streams of several sizes.

Usage: php bench.php [--json] [--rounds=N]

--json        writes one JSON document instead of lines
--rounds=N    how often each case is measured, 7 if not given; the engines take turns
-h, --help    writes this help

Exit codes: 0 measured, 1 wrong usage.';
$string['bench_nolibrary'] = 'The native library is not loaded, so it is not measured: doctor.php says why.';
$string['bench_rounds'] = '--rounds={$a} is no number from 1 to 9999.';
$string['checkfile_pool'] = 'File pool';
$string['checknative_library'] = 'Native library of Accelerators';
$string['doctor_folder'] = 'The folder {$a} does not exist or cannot be written to. Make it, or give another to --write.';
$string['doctor_help'] = 'Says whether the native library is used on the command line, or why not, and prepares PHP-FPM so that web pages can use it too.

Usage: php doctor.php [--write=DIR] [--user=NAME]

--write=DIR   writes what PHP-FPM preloads into the folder, a copy of the library, a header and a script, and says which lines php.ini needs; DIR must be readable for PHP-FPM and writable for nobody else, as code from it is run, and outside the plugin: PHP-FPM does not start without these files
--user=NAME   who the pools of PHP-FPM run as, www-data if not given
-h, --help    writes this help

php.ini is never changed. PHP preloads for all pools of one PHP-FPM service: give each Moodle a service of its own.

Exit codes: 0 the library is loaded, 1 wrong usage or a file cannot be written, 2 the library is not loaded and PHP does its work.';
$string['doctor_hint'] = 'The system status page says whether web pages use the library. For them, PHP-FPM has to preload files, which php doctor.php --write=DIR writes, and its php.ini needs these lines:';
$string['doctor_ini'] = 'Add these lines to the php.ini of PHP-FPM (not of the command line):';
$string['doctor_loaded'] = 'The native library {$a->version} is loaded from {$a->path}: the command line uses it.';
$string['doctor_restart'] = 'Then restart PHP-FPM. After every upgrade of the plugin, run this again and restart PHP-FPM: what is preloaded stays as it was. Before you remove these files, take the lines out of php.ini: PHP-FPM does not start without them.';
$string['doctor_unwritten'] = 'Cannot write {$a}.';
$string['doctor_value'] = '--{$a} needs a value: --{$a}=VALUE.';
$string['doctor_written'] = 'Written: {$a}';
$string['engine'] = 'Engine';
$string['engine_auto'] = 'Automatic';
$string['engine_desc'] = 'Automatic uses the native library of this platform where it can be loaded, and PHP elsewhere, with the same results. PHP leaves the library alone.';
$string['engine_native'] = 'native library';
$string['engine_of'] = '{$a->algorithm} of a large {$a->operation}: {$a->engine}';
$string['engine_openssl'] = 'OpenSSL';
$string['engine_php'] = 'PHP';
$string['library_abiwrong'] = 'The native library does not fit this version of the plugin';
$string['library_abiwrong_details'] = '{$a->path} must have interface version {$a->abi}; it says: {$a->detail}. Install the library of this version. After an upgrade, PHP-FPM has to be restarted.';
$string['library_absent'] = 'Native library absent: the PHP engine is used';
$string['library_absent_details'] = 'There is no library at {$a->path}. PHP does its work.';
$string['library_checksumabsent'] = 'The checksum of the native library is missing';
$string['library_checksumabsent_details'] = 'Beside {$a->path} there must be {$a->path}.sha256, as sha256sum writes it. The library is not loaded without.';
$string['library_checksummalformed'] = 'The checksum file of the native library cannot be understood';
$string['library_checksummalformed_details'] = '{$a->path}.sha256 must hold one line of sha256sum with the name of the library.';
$string['library_checksumwrong'] = 'The native library is not the one that its checksum is of';
$string['library_checksumwrong_details'] = '{$a->path} has another SHA-256 than {$a->path}.sha256 says. Install the plugin again, or find out who changed the file.';
$string['library_configuredabsent'] = 'The configured native library does not exist';
$string['library_configuredabsent_details'] = 'There is no file {$a->path}. Correct the path in the settings, or empty it.';
$string['library_disabled'] = 'The PHP engine is chosen; the native library is not used';
$string['library_disabled_details'] = 'The setting Engine says so.';
$string['library_ffiabsent'] = 'PHP has no FFI extension, so the native library is not used';
$string['library_ffiabsent_details'] = 'Install or enable the extension FFI to use {$a->path}.';
$string['library_ffirestricted'] = 'PHP allows no FFI here, so the native library is not used';
$string['library_ffirestricted_details'] = 'PHP says: {$a->detail}. Web pages need preloading: cli/doctor.php says how to set it up. The command line needs ffi.enable=preload, which is PHP\'s default. Never set ffi.enable=1 for web pages.';
$string['library_loaded'] = 'The native library {$a} is used';
$string['library_truncated'] = 'The native library is cut off';
$string['library_truncated_details'] = 'The end of {$a->path} is missing. Install the plugin again.';
$string['library_unloadable'] = 'The native library cannot be loaded';
$string['library_unloadable_details'] = 'The operating system refuses {$a->path}: {$a->detail}';
$string['library_unreadable'] = 'The native library cannot be read';
$string['library_unreadable_details'] = 'PHP may not read {$a->path}, or it is not a file.';
$string['library_unsupported'] = 'Native library absent: there is none for this platform';
$string['library_unsupported_details'] = 'The platform is {$a->platform}. Native libraries are meant for Linux on x86_64 and aarch64, with the GNU or the musl C library.';
$string['librarypath'] = 'Native library';
$string['librarypath_desc'] = 'Absolute path of the native library, with its checksum in a file of the same name and .sha256 beside it. Leave it empty to use the one that the plugin carries for this platform.';
$string['nonative'] = 'The native engine cannot be used: {$a}';
$string['operation_file'] = 'file';
$string['operation_stream'] = 'stream';
$string['operation_string'] = 'string';
$string['pluginname'] = 'Accelerators';
$string['pool'] = 'File pool verification';
$string['pool_actual'] = 'its content has the hash {$a}';
$string['pool_badoption'] = 'The option {$a} cannot be used. See --help.';
$string['pool_badreport'] = 'The report cannot be written to {$a}.';
$string['pool_clean'] = 'All {$a->files} files ({$a->size}) were intact on {$a->time}';
$string['pool_desc'] = 'The scheduled task "Verify the file pool" reads every file of the site, hashes it and compares it with the database. It is disabled until an administrator enables it. cli/verify_pool.php does the same at once.';
$string['pool_elsewhere'] = 'The files of this site are kept by the class {$a}, and not in a folder that could be verified.';
$string['pool_empty'] = 'The file pool {$a} is empty, but the database lists content. Is its disk mounted?';
$string['pool_expected'] = 'Moodle looks for it in {$a}';
$string['pool_found'] = '{$a->findings} problems were found in {$a->files} files ({$a->size}) on {$a->time}';
$string['pool_help'] = 'Verifies the file pool: every object is read, hashed and compared with the database.

Options:
--folders=LIST   Verify only these top folders, such as 00-3f,da,root. Default: all, and the root.
--threads=N      Read on N threads (1 to 256). Default: the setting of the plugin.
--rate=MB        Read at most so many megabytes in a second. Default: no limit.
--minutes=M      Stop after M minutes.
--resume         Go on with the run that was not finished.
--restart        Forget the run that was not finished, and begin a new one.
--engine=NAME    native, php, or auto (native where it can be had). Default: auto.
--json           Print the report as JSON.
--report=FILE    Write the report to FILE as JSON, too.
-h, --help       Print this help.

A run that was stopped or killed has lost nothing but the folder it was at.

Exit codes: 0 nothing found, 1 something found, 2 could not run, 3 stopped before the end.

Example:
$ sudo -u www-data php public/local/accel/cli/verify_pool.php --threads=4 --rate=100';
$string['pool_intrash'] = 'there is a file of its name in the trash';
$string['pool_listedsize'] = 'the database lists {$a} bytes';
$string['pool_locked'] = 'The file pool is being verified by another process.';
$string['pool_never'] = 'The file pool was never verified as a whole';
$string['pool_never_details'] = 'Enable the scheduled task "Verify the file pool", or run cli/verify_pool.php.';
$string['pool_notdue'] = 'The next verification is due on {$a}.';
$string['pool_nothingtoresume'] = 'There is no unfinished run. Leave out --resume.';
$string['pool_old'] = 'The file pool was last verified on {$a->time}';
$string['pool_problem_collision'] = 'put aside because two contents have one hash';
$string['pool_problem_corrupt'] = 'corrupt';
$string['pool_problem_foreign'] = 'not made by Moodle';
$string['pool_problem_leftover'] = 'left over from an upload that was cut off';
$string['pool_problem_misplaced'] = 'in the wrong folder';
$string['pool_problem_missing'] = 'missing';
$string['pool_problem_orphaned'] = 'not listed by the database';
$string['pool_problem_unreadable'] = 'unreadable';
$string['pool_problem_wrongsize'] = 'of another size than the database lists';
$string['pool_progress'] = '{$a->percent} %, {$a->size}, {$a->rate}/s, time left: {$a->left}';
$string['pool_report'] = 'cli/verify_pool.php --report=FILE writes all findings with their files.';
$string['pool_state'] = '{$a->done} of {$a->units} folders verified: {$a->files} files, {$a->size}, {$a->findings} findings.';
$string['pool_stopped'] = 'Stopped before the end. --resume goes on.';
$string['pool_unavailable'] = 'The file pool cannot be read: {$a}';
$string['pool_unfinished'] = 'The run of {$a->time} is not finished ({$a->done} of {$a->units} folders). Use --resume to go on, or --restart to begin again.';
$string['poolduration'] = 'Longest time';
$string['poolduration_desc'] = 'After this time the scheduled task stops; it goes on at its next run.';
$string['poolgrace'] = 'Grace time';
$string['poolgrace_desc'] = 'A file that the database does not list is only reported when it is older: an upload writes the file before the row.';
$string['poolinterval'] = 'Interval';
$string['poolinterval_desc'] = 'The scheduled task begins a new verification when the last one was finished so long ago. The status check warns after twice this time.';
$string['poolrate'] = 'Speed limit';
$string['poolrate_desc'] = 'How many megabytes the scheduled task reads in a second at most; 0 is no limit.';
$string['poolthreads'] = 'Threads';
$string['poolthreads_desc'] = 'On how many threads files are read and hashed. The PHP engine has one.';
$string['privacy:metadata'] = 'The Accelerators plugin stores no personal data. Its record of a verification holds hashes of contents and names of files in the file pool, and no user.';
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
$string['regradeleft_not_a_number'] = 'a grade is not a number';
$string['regradeleft_overflow'] = 'a total is too large for its column';
$string['regradeleft_transaction'] = 'a transaction is open';
$string['regradenothing'] = 'nothing to do';
$string['taskpreemptregrades'] = 'Take over queued regrades';
$string['taskregradecourse'] = 'Bulk regrade of a course';
$string['taskverify_pool'] = 'Verify the file pool';
