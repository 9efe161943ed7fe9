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
 * The grades of a course in the database: reads sheets and writes what has changed in them, many rows at a time.
 *
 * Rows are written in the order of their ids, in which they lie in the table: the database is several times as fast, and two
 * writers wait for each other instead of for each other's rows.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class store {
    /** @var string What a sheet takes in of a row. */
    public const COLUMNS = 'id, itemid, userid, rawgrademin, rawgrademax, finalgrade, locked, overridden, excluded,'
        . ' aggregationstatus, aggregationweight';

    /** @var int How many rows a statement writes. */
    private const ROWS = 2000;

    /** @var int The number of the last column of NUMERIC(10,5). */
    private const LIMIT = 100000;

    /** @var string[] What Moodle fills in for a new grade, by column. */
    private readonly array $defaults;

    /** @var string[] The columns that Moodle doesn't read for a regrade, and so resets with each update. */
    private readonly array $resets;

    /** @var string[] The columns that a grade and its history have in common. */
    private readonly array $historic;

    /**
     * Make a store.
     *
     * @param \moodle_database $database
     * @param plan $plan
     * @param int $now when it happens, in seconds since 1970
     * @param aftermath $aftermath what is to be done once all is committed
     */
    public function __construct(
        /** @var \moodle_database The database. */
        private readonly \moodle_database $database,
        /** @var plan What is regraded. */
        private readonly plan $plan,
        /** @var int When it happens, in seconds since 1970. */
        private readonly int $now,
        /** @var aftermath What is to be done once all is committed. */
        private readonly aftermath $aftermath,
    ) {
        $blank = new \grade_grade(['itemid' => 0, 'userid' => 0], false);
        $written = (array) $blank->get_record_data();
        unset($written['id']);
        $this->defaults = $written;
        $this->resets = array_diff_key($written, array_flip($blank->required_fields));
        $this->historic = array_values(array_intersect(
            array_keys($written),
            array_diff(array_keys($database->get_columns('grade_grades_history')), ['timemodified']),
        ));
    }

    /**
     * Return the users who have a grade in the course.
     *
     * @return list<int> ids, ascending
     */
    public function users(): array {
        [$in, $parameters] = $this->database->get_in_or_equal(array_keys($this->plan->items));
        $sql = "SELECT DISTINCT userid FROM {grade_grades} WHERE itemid {$in} ORDER BY userid";
        return array_map('intval', $this->database->get_fieldset_sql($sql, $parameters));
    }

    /**
     * Return what changes when somebody changes a grade that totals are computed from. What a regrade writes doesn't change it.
     *
     * Moodle marks the course for such a change, but not when an activity makes it while the course is marked already.
     *
     * @return string
     */
    public function fingerprint(): string {
        $inputs = array_keys(array_diff_key($this->plan->items, $this->plan->steps));
        if (!$inputs) {
            return '';
        }
        [$in, $parameters] = $this->database->get_in_or_equal($inputs);
        $hash = $this->database->get_dbfamily() === 'postgres' ? 'hashtext' : 'CRC32';
        $row = $this->database->get_record_sql("
            SELECT COUNT(*) AS rows_, SUM({$hash}(CONCAT_WS('|', id, finalgrade, rawgrademin, rawgrademax, excluded))) AS hashes
              FROM {grade_grades}
             WHERE itemid {$in} AND (finalgrade IS NOT NULL OR excluded <> 0)", $parameters);
        return "{$row->rows_} {$row->hashes}";
    }

    /**
     * Read the grades of some users.
     *
     * @param list<int> $users ids, ascending
     * @param bool $all whether they are all users of the course
     * @return sheet
     */
    public function read(array $users, bool $all): sheet {
        $items = array_keys($this->plan->items);
        $sheet = new sheet($users, $items);
        [$where, $parameters] = $this->database->get_in_or_equal($items);
        $where = "itemid {$where}";
        if (!$all) {
            $where .= ' AND userid BETWEEN ? AND ?';
            array_push($parameters, $users[0], end($users));
        }
        $rows = $this->database->get_recordset_select('grade_grades', $where, $parameters, '', self::COLUMNS);
        foreach ($rows as $row) {
            $sheet->take($row);
        }
        $rows->close();
        return $sheet;
    }

    /**
     * Write what has changed in a sheet.
     *
     * @param sheet $sheet
     * @throws conflict if somebody changed a grade that would be overwritten
     * @throws left_to_core if a grade is too large for its column
     */
    public function write(sheet $sheet): void {
        $this->insert($sheet);
        $this->regrade($sheet);
        $this->restate($sheet);
    }

    /**
     * Write new rows as they are in the end, with the history of their beginning.
     *
     * @param sheet $sheet
     */
    private function insert(sheet $sheet): void {
        $rows = [];
        foreach ($sheet->inserted as $item => $inserted) {
            foreach ($inserted as $place => $bounds) {
                $regraded = isset($sheet->regraded[$item][$place]);
                $rows[] = [
                    $item,
                    $sheet->users[$place],
                    $this->fitting($sheet->grades[$item][$place]),
                    $this->fitting($sheet->minima[$item][$place]),
                    $this->fitting($sheet->maxima[$item][$place]),
                    $regraded ? $this->now : null,
                    $sheet->statuses[$item][$place],
                    $sheet->weights[$item][$place],
                ];
            }
        }
        if (!$rows) {
            return;
        }
        $table = new table($this->database, [
            'itemid' => 'int', 'userid' => 'int', 'finalgrade' => 'number', 'rawgrademin' => 'number', 'rawgrademax' => 'number',
            'timemodified' => 'int', 'aggregationstatus' => 'char', 'aggregationweight' => 'number',
        ]);
        $given = ['itemid', 'userid', 'finalgrade', 'rawgrademin', 'rawgrademax', 'timemodified', 'aggregationstatus', 'aggregationweight'];
        $fixed = array_diff_key($this->defaults, array_flip($given));
        $columns = implode(', ', [...$given, ...array_keys($fixed)]);
        $values = implode(', ', [...array_map(static fn(string $name): string => "v.{$name}", $given), ...array_fill(0, count($fixed), '?')]);
        foreach (array_chunk($rows, self::ROWS) as $chunk) {
            $this->database->execute(
                "INSERT INTO {grade_grades} ({$columns}) SELECT {$values} FROM {$table->sql()}",
                [...array_values($fixed), table::parameter($chunk)],
            );
        }
        $this->identify($sheet);
        $this->record_insertions($sheet);
    }

    /**
     * Learn the ids of the rows that were inserted.
     *
     * @param sheet $sheet
     */
    private function identify(sheet $sheet): void {
        foreach ($sheet->inserted as $item => $inserted) {
            $first = $sheet->users[min(array_keys($inserted))];
            $last = $sheet->users[max(array_keys($inserted))];
            $ids = $this->database->get_records_select_menu(
                'grade_grades',
                'itemid = ? AND userid BETWEEN ? AND ?',
                [$item, $first, $last],
                '',
                'userid, id',
            );
            foreach (array_keys($inserted) as $place) {
                $sheet->ids[$item][$place] = (int) ($ids[$sheet->users[$place]] ?? throw new conflict());
            }
        }
    }

    /**
     * Write into the history how new rows began, and tell the aftermath.
     *
     * @param sheet $sheet
     */
    private function record_insertions(sheet $sheet): void {
        $rows = [];
        foreach ($sheet->inserted as $item => $inserted) {
            foreach ($inserted as $place => [, $min, $max]) {
                $id = $sheet->ids[$item][$place];
                $rows[] = [$id, $min, $max];
                $this->aftermath->inserted($id, $item, $sheet->users[$place]);
            }
        }
        $first = ['finalgrade' => 'NULL', 'rawgrademin' => 'v.rawgrademin', 'rawgrademax' => 'v.rawgrademax'];
        $table = new table($this->database, ['id' => 'int', 'rawgrademin' => 'number', 'rawgrademax' => 'number']);
        $this->record(GRADE_HISTORY_INSERT, 'system', $table, $rows, $first);
    }

    /**
     * Write totals and calculated grades, as {@see \grade_grade::update()} does.
     *
     * @param sheet $sheet
     */
    private function regrade(sheet $sheet): void {
        $updates = $recorded = [];
        foreach ($sheet->regraded as $item => $regraded) {
            $step = $this->plan->steps[$item];
            $source = $step->source();
            foreach ($regraded as $place => $old) {
                $id = $sheet->ids[$item][$place];
                $grade = $sheet->grades[$item][$place];
                if (!isset($sheet->inserted[$item][$place])) {
                    $updates[$id] = [
                        $id,
                        $this->fitting($grade),
                        $this->fitting($sheet->minima[$item][$place]),
                        $this->fitting($sheet->maxima[$item][$place]),
                        $old,
                    ];
                }
                $recorded[$source][] = [$id];
                $this->aftermath->graded($id, $item, $sheet->users[$place], $grade, $step->actor());
            }
        }
        ksort($updates);
        foreach (array_chunk($updates, self::ROWS, true) as $chunk) {
            $this->update($chunk);
        }
        $table = new table($this->database, ['id' => 'int']);
        foreach ($recorded as $source => $rows) {
            $this->record(GRADE_HISTORY_UPDATE, $source, $table, $rows, []);
        }
    }

    /**
     * Update rows, of which each must still be as it was read.
     *
     * @param array<int, array{int, ?float, float, float, array}> $updates by id: the id, grade, bounds, and what grade and bounds were
     */
    private function update(array $updates): void {
        [$in, $parameters] = $this->database->get_in_or_equal(array_keys($updates));
        $sql = "SELECT id, finalgrade, rawgrademin, rawgrademax, locked, overridden FROM {grade_grades} WHERE id {$in} FOR UPDATE";
        $rows = $this->database->get_records_sql($sql, $parameters);
        foreach ($updates as $id => [, , , , [$grade, $min, $max]]) {
            $row = $rows[$id] ?? null;
            if (
                $row === null || !empty($row->locked) || !empty($row->overridden) || (float) $row->rawgrademin !== $min
                || (float) $row->rawgrademax !== $max || ($row->finalgrade === null ? null : (float) $row->finalgrade) !== $grade
            ) {
                throw new conflict();
            }
        }
        $rows = array_map(static fn(array $update): array => array_slice($update, 0, 4), array_values($updates));
        $table = new table($this->database, ['id' => 'int', 'grade' => 'number', 'lowest' => 'number', 'highest' => 'number']);
        $set = [
            'finalgrade' => 'v.grade', 'rawgrademin' => 'v.lowest', 'rawgrademax' => 'v.highest', 'timemodified' => '?',
            ...array_map(static fn(): string => '?', $this->resets),
        ];
        $this->join_update($table, $set, [$this->now, ...array_values($this->resets)], $rows);
    }

    /**
     * Write how grades took part, of rows that were there before.
     *
     * @param sheet $sheet
     */
    private function restate(sheet $sheet): void {
        $rows = [];
        foreach ($sheet->restated as $item => $restated) {
            foreach (array_keys(array_diff_key($restated, $sheet->inserted[$item] ?? [])) as $place) {
                $id = $sheet->ids[$item][$place];
                $rows[$id] = [$id, $sheet->statuses[$item][$place], $sheet->weights[$item][$place]];
            }
        }
        ksort($rows);
        $table = new table($this->database, ['id' => 'int', 'status' => 'char', 'weight' => 'number']);
        foreach (array_chunk($rows, self::ROWS) as $chunk) {
            $this->join_update($table, ['aggregationstatus' => 'v.status', 'aggregationweight' => 'v.weight'], [], $chunk);
        }
    }

    /**
     * Update grades by their ids from a table of new values.
     *
     * @param table $table with the column id
     * @param array<string, string> $set expressions by column
     * @param array $parameters those of the expressions
     * @param list<array> $rows
     */
    private function join_update(table $table, array $set, array $parameters, array $rows): void {
        $assignments = [];
        if ($this->database->get_dbfamily() === 'postgres') {
            foreach ($set as $column => $expression) {
                $assignments[] = "{$column} = {$expression}";
            }
            $sql = 'UPDATE {grade_grades} SET ' . implode(', ', $assignments) . " FROM {$table->sql()} WHERE v.id = {grade_grades}.id";
            $this->database->execute($sql, [...$parameters, table::parameter($rows)]);
            return;
        }
        foreach ($set as $column => $expression) {
            $assignments[] = "g.{$column} = {$expression}";
        }
        $sql = "UPDATE {$table->joined()} SET " . implode(', ', $assignments);
        $this->database->execute($sql, [table::parameter($rows), ...$parameters]);
    }

    /**
     * Write grades into the history.
     *
     * @param int $action one of Moodle's GRADE_HISTORY_* numbers
     * @param string $source
     * @param table $table with the column id
     * @param list<array> $rows
     * @param array<string, string> $instead expressions by column, of what was otherwise than it is now
     */
    private function record(int $action, string $source, table $table, array $rows, array $instead): void {
        global $CFG, $USER;
        if (!empty($CFG->disablegradehistory)) {
            return;
        }
        $columns = implode(', ', ['action', 'oldid', 'source', 'timemodified', 'loggeduser', ...$this->historic]);
        $values = implode(', ', array_map(static fn(string $name): string => $instead[$name] ?? "g.{$name}", $this->historic));
        $sql = "INSERT INTO {grade_grades_history} ({$columns})
                SELECT ?, g.id, ?, ?, ?, {$values} FROM {$table->joined()} ORDER BY g.id";
        foreach (array_chunk($rows, self::ROWS) as $chunk) {
            $this->database->execute($sql, [$action, $source, $this->now, $USER->id, table::parameter($chunk)]);
        }
    }

    /**
     * Return a number that fits its column.
     *
     * @param float|null $value
     * @return float|null
     * @throws left_to_core if it does not, which Moodle's own code meets as an error of the database
     */
    private function fitting(?float $value): ?float {
        if ($value !== null && abs($value) >= self::LIMIT) {
            throw new left_to_core(reason::OVERFLOW);
        }
        return $value;
    }
}
