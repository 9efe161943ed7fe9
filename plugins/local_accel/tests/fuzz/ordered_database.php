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

namespace local_accel\fuzz;

/**
 * A connection to the site's database that gives the grades of a user, and the items of a category, in the order of their ids.
 *
 * Moodle asks for grades in the order of users only, and for items in none. Where two grades of a user are equal, what it makes of that (which one is
 * dropped, which one is the median) then depends on how the table happens to be read, and changes from one run to the next.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class ordered_database {
    /**
     * Put such a connection in the place of Moodle's own.
     */
    public static function connect(): void {
        global $CFG, $DB;
        $driver = get_class($DB);
        if (!class_exists("{$driver}_ordered", false)) {
            eval("class {$driver}_ordered extends {$driver} {
                public function get_recordset_select(
                    \$table, \$select, ?array \$params = null, \$sort = '', \$fields = '*', \$from = 0, \$limit = 0
                ) {
                    \$sort = \$table === 'grade_grades' && \$sort === 'userid' ? 'userid, id' : \$sort;
                    return parent::get_recordset_select(\$table, \$select, \$params, \$sort, \$fields, \$from, \$limit);
                }
                public function get_records_sql(\$sql, ?array \$params = null, \$from = 0, \$limit = 0) {
                    \$items = preg_match('/^SELECT \\*\s+FROM \{grade_items\}\s+WHERE id /', \$sql);
                    return parent::get_records_sql(\$items ? \$sql . ' ORDER BY id' : \$sql, \$params, \$from, \$limit);
                }
            }");
        }
        $ordered = "{$driver}_ordered";
        $DB->dispose();
        $DB = new $ordered();
        $DB->connect($CFG->dbhost, $CFG->dbuser, $CFG->dbpass, $CFG->dbname, $CFG->prefix, $CFG->dboptions);
    }
}
