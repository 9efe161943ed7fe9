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
 * Makes the tables that the probes look at; fails if INSTALL_FAILS is set.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

define('CLI_SCRIPT', true);
require(__DIR__ . '/../../config.php');
require(__DIR__ . '/database.php');

$options = getopt('', ['lang:', 'adminuser:', 'adminpass:', 'agree-license', 'fullname:', 'shortname:', 'adminemail:']);
if (getenv('INSTALL_FAILS')) {
    exit(1);
}
query("CREATE TABLE {$CFG->prefix}config_plugins (plugin VARCHAR(255), name VARCHAR(255), value TEXT)");
query("INSERT INTO {$CFG->prefix}config_plugins VALUES ('mod_x', 'version', '2025100600')");
query("CREATE TABLE {$CFG->prefix}config (name VARCHAR(255), value TEXT)");
$hash = core_component::get_all_versions_hash();
foreach (['version' => '2025100600.02', 'siteidentifier' => md5(random_bytes(9)) . 'localhost', 'allversionshash' => $hash, 'adminpass' => sha1($_SERVER['argv'] ? implode(' ', $_SERVER['argv']) : '')] as $name => $value) {
    query("INSERT INTO {$CFG->prefix}config VALUES ('{$name}', '{$value}')");
}
echo 'installed with ', preg_replace('~--adminpass=\S+~', '--adminpass=…', implode(' ', $_SERVER['argv'])), "\n";
