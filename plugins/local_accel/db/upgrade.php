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
 * Database upgrades of local_accel.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

/**
 * Bring the database from an older version of the plugin to this one.
 *
 * @param int $oldversion the version that the database is at
 * @return bool
 */
function xmldb_local_accel_upgrade(int $oldversion): bool {
    global $DB;
    $dbman = $DB->get_manager();

    if ($oldversion < 2026112600) {
        $run = new xmldb_table('local_accel_pool_run');
        $run->add_field('id', XMLDB_TYPE_INTEGER, '10', null, XMLDB_NOTNULL, XMLDB_SEQUENCE);
        $run->add_field('units', XMLDB_TYPE_CHAR, '1000', null, XMLDB_NOTNULL);
        $run->add_field('done', XMLDB_TYPE_INTEGER, '4', null, XMLDB_NOTNULL, null, '0');
        $run->add_field('files', XMLDB_TYPE_INTEGER, '18', null, XMLDB_NOTNULL, null, '0');
        $run->add_field('bytes', XMLDB_TYPE_INTEGER, '18', null, XMLDB_NOTNULL, null, '0');
        $run->add_field('timestarted', XMLDB_TYPE_INTEGER, '10', null, XMLDB_NOTNULL);
        $run->add_field('timemodified', XMLDB_TYPE_INTEGER, '10', null, XMLDB_NOTNULL);
        $run->add_field('timefinished', XMLDB_TYPE_INTEGER, '10');
        $run->add_key('primary', XMLDB_KEY_PRIMARY, ['id']);
        $run->add_index('timefinished', XMLDB_INDEX_NOTUNIQUE, ['timefinished']);
        if (!$dbman->table_exists($run)) {
            $dbman->create_table($run);
        }

        $finding = new xmldb_table('local_accel_pool_finding');
        $finding->add_field('id', XMLDB_TYPE_INTEGER, '10', null, XMLDB_NOTNULL, XMLDB_SEQUENCE);
        $finding->add_field('runid', XMLDB_TYPE_INTEGER, '10', null, XMLDB_NOTNULL);
        $finding->add_field('problem', XMLDB_TYPE_CHAR, '20', null, XMLDB_NOTNULL);
        $finding->add_field('contenthash', XMLDB_TYPE_CHAR, '40');
        $finding->add_field('path', XMLDB_TYPE_TEXT, null, null, XMLDB_NOTNULL);
        $finding->add_field('detail', XMLDB_TYPE_TEXT);
        $finding->add_key('primary', XMLDB_KEY_PRIMARY, ['id']);
        $finding->add_key('runid', XMLDB_KEY_FOREIGN, ['runid'], 'local_accel_pool_run', ['id']);
        $finding->add_index('runid-problem', XMLDB_INDEX_NOTUNIQUE, ['runid', 'problem']);
        if (!$dbman->table_exists($finding)) {
            $dbman->create_table($finding);
        }

        upgrade_plugin_savepoint(true, 2026112600, 'local', 'accel');
    }

    return true;
}
