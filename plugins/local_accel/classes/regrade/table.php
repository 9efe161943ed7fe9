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

namespace local_accel\regrade;

/**
 * A list of rows as a table of one statement, which the database takes as JSON in one parameter.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class table {
    /** @var string[] SQL types by a short word, for MariaDB and MySQL. */
    private const MYSQL = ['int' => 'BIGINT', 'number' => 'DECIMAL(10,5)', 'char' => 'VARCHAR(10)'];

    /** @var string[] SQL types by a short word, for PostgreSQL. */
    private const POSTGRES = ['int' => 'BIGINT', 'number' => 'NUMERIC(10,5)', 'char' => 'VARCHAR(10)'];

    /**
     * Describe a table.
     *
     * @param \moodle_database $database of the family mysql or postgres
     * @param array<string, string> $columns int, number or char by the name of the column
     */
    public function __construct(
        /** @var \moodle_database Of the family mysql or postgres. */
        private \moodle_database $database,
        /** @var array<string, string> Int, number or char by the name of the column. */
        private array $columns,
    ) {
    }

    /**
     * Tell whether the database takes such tables.
     *
     * @param \moodle_database $database
     * @return bool
     */
    public static function supports(\moodle_database $database): bool {
        return in_array($database->get_dbfamily(), ['mysql', 'postgres'], true);
    }

    /**
     * Return the table as an item of a FROM clause, called v, with one parameter: {@see parameter()}.
     *
     * @return string
     */
    public function sql(): string {
        $columns = [];
        $at = 0;
        if ($this->database->get_dbfamily() === 'postgres') {
            foreach ($this->columns as $name => $type) {
                $columns[] = "CAST(e->>{$at} AS " . self::POSTGRES[$type] . ") AS {$name}";
                $at++;
            }
            return '(SELECT ' . implode(', ', $columns) . ' FROM json_array_elements(CAST(? AS json)) e) v';
        }
        foreach ($this->columns as $name => $type) {
            $columns[] = "{$name} " . self::MYSQL[$type] . " PATH '$[{$at}]'";
            $at++;
        }
        return "JSON_TABLE(?, '$[*]' COLUMNS(" . implode(', ', $columns) . ')) v';
    }

    /**
     * Return the table joined to grades by their ids, as g.
     *
     * MariaDB and MySQL don't know how many rows JSON has, and may read all grades first: they are told the order.
     *
     * @return string
     */
    public function joined(): string {
        $join = $this->database->get_dbfamily() === 'postgres' ? 'JOIN' : 'STRAIGHT_JOIN';
        return "{$this->sql()} {$join} {grade_grades} g ON g.id = v.id";
    }

    /**
     * Return rows as the parameter of {@see sql()}.
     *
     * @param list<list<int|float|string|null>> $rows values in the order of the columns; floats as the database will have them
     * @return string
     */
    public static function parameter(array $rows): string {
        return json_encode($rows, JSON_THROW_ON_ERROR);
    }
}
