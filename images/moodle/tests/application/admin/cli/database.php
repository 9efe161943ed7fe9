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
 * Runs a query: database.php SQL.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

/**
 * Run a query and return its rows, as lists.
 *
 * @param string $sql
 * @return array<int, array<int, string>>
 */
function query(string $sql): array {
    global $CFG;
    if ($CFG->dbtype === 'pgsql') {
        $connection = pg_connect("host={$CFG->dbhost} dbname={$CFG->dbname} user={$CFG->dbuser} password={$CFG->dbpass}");
        return pg_fetch_all(pg_query($connection, $sql), PGSQL_NUM);
    }
    $connection = new mysqli($CFG->dbhost, $CFG->dbuser, $CFG->dbpass, $CFG->dbname);
    $result = $connection->query($sql);
    return $result === true ? [] : $result->fetch_all();
}
