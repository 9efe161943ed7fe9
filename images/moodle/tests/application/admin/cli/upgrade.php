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
 * Answers as UPGRADE_STATE says: none, code or database; fails if UPGRADE_FAILS is set; kills who called it, and so the role, at its
 * end if UPGRADE_IS_CUT_OFF is set.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

define('CLI_SCRIPT', true);
require(__DIR__ . '/../../config.php');
require(__DIR__ . '/database.php');

$arguments = implode(' ', array_slice($argv, 1));
echo "upgrade.php {$arguments}\n";
$pending = ['none' => 0, 'code' => 3, 'database' => 2, 'broken' => 1][getenv('UPGRADE_STATE')];
if ($arguments === '--is-maintenance-required') {
    exit($pending);
}
if (in_array('--unset-ui-upgrade-lock', $argv)) {
    query("DELETE FROM {$CFG->prefix}config WHERE name = 'outagelessupgrade'");
}
if (in_array('--is-pending', $argv)) {
    exit($pending === 0 ? 0 : 2);
}
if (in_array('--maintenance=false', $argv)) {
    query("INSERT INTO {$CFG->prefix}config VALUES ('outagelessupgrade', '1')");
}
if (getenv('UPGRADE_FAILS')) {
    exit(1);
}
query("UPDATE {$CFG->prefix}config SET value = '" . core_component::get_all_versions_hash() . "' WHERE name = 'allversionshash'");
if (getenv('UPGRADE_IS_CUT_OFF')) {
    posix_kill(posix_getppid(), SIGKILL);
    exit(1);
}
if (!in_array('--set-ui-upgrade-lock', $argv)) {
    query("DELETE FROM {$CFG->prefix}config WHERE name = 'outagelessupgrade'");
}
