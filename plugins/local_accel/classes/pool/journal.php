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

namespace local_accel\pool;

use local_accel\local\pool\finding;
use local_accel\local\pool\layout;
use local_accel\local\pool\problem;
use local_accel\local\pool\verdict;

/**
 * Keeps the runs and their findings in the database.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class journal {
    /** How many finished runs are kept. */
    private const KEPT = 5;

    /**
     * Make a journal.
     *
     * @param \moodle_database $db
     * @param \core\clock $clock
     */
    public function __construct(
        /** @var \moodle_database The site's database. */
        private \moodle_database $db,
        /** @var \core\clock The clock. */
        private \core\clock $clock,
    ) {
    }

    /**
     * Return the run that was begun last and not finished, if there is one.
     *
     * @return run|null
     */
    public function unfinished(): ?run {
        $records = $this->db->get_records_select('local_accel_pool_run', 'timefinished IS NULL', null, 'id DESC', '*', 0, 1);
        return $records ? $this->run(reset($records)) : null;
    }

    /**
     * Return the run of the whole pool that was finished last, if there is one.
     *
     * @return run|null
     */
    public function last_full(): ?run {
        $params = ['units' => layout::format_units(layout::units())];
        $select = 'timefinished IS NOT NULL AND units = :units';
        $records = $this->db->get_records_select('local_accel_pool_run', $select, $params, 'id DESC', '*', 0, 1);
        return $records ? $this->run(reset($records)) : null;
    }

    /**
     * Begin a run. One that was not finished is forgotten, and so are old ones.
     *
     * @param int[] $units
     * @return run
     */
    public function begin(array $units): run {
        $now = $this->clock->time();
        $id = $this->db->insert_record('local_accel_pool_run', [
            'units' => layout::format_units($units),
            'timestarted' => $now,
            'timemodified' => $now,
        ]);
        $finished = $this->db->get_fieldset_select('local_accel_pool_run', 'id', 'timefinished IS NOT NULL ORDER BY id DESC');
        $full = $this->last_full()?->id;
        foreach ($this->db->get_fieldset('local_accel_pool_run', 'id', []) as $old) {
            if ($old != $id && $old != $full && !in_array($old, array_slice($finished, 0, self::KEPT))) {
                $this->db->delete_records('local_accel_pool_finding', ['runid' => $old]);
                $this->db->delete_records('local_accel_pool_run', ['id' => $old]);
            }
        }
        return $this->get($id);
    }

    /**
     * Note that the next unit of a run is verified, and return the run as it is then.
     *
     * @param run $run
     * @param verdict $verdict
     * @return run
     */
    public function add(run $run, verdict $verdict): run {
        $now = $this->clock->time();
        $transaction = $this->db->start_delegated_transaction();
        $this->db->insert_records('local_accel_pool_finding', array_map(static fn(finding $finding): array => [
            'runid' => $run->id,
            'problem' => $finding->problem->value,
            'contenthash' => $finding->contenthash(),
            // A foreign name can be any bytes, and a database takes only text.
            'path' => fix_utf8($finding->path),
            'detail' => fix_utf8($finding->detail),
        ], $verdict->findings));
        $done = $run->done + 1;
        $this->db->update_record('local_accel_pool_run', [
            'id' => $run->id,
            'done' => $done,
            'files' => $run->files + $verdict->files,
            'bytes' => $run->bytes + $verdict->bytes,
            'timemodified' => $now,
            'timefinished' => $done === count($run->units) ? $now : null,
        ]);
        $transaction->allow_commit();
        return $this->get($run->id);
    }

    /**
     * Count the findings of a run by problem; problems that were not found are left out.
     *
     * @param run $run
     * @return int[]
     */
    public function counts(run $run): array {
        $sql = 'SELECT problem, COUNT(*) AS findings
                  FROM {local_accel_pool_finding}
                 WHERE runid = :runid
              GROUP BY problem';
        $found = $this->db->get_records_sql_menu($sql, ['runid' => $run->id]);
        $counts = [];
        foreach (problem::cases() as $problem) {
            if (isset($found[$problem->value])) {
                $counts[$problem->value] = (int) $found[$problem->value];
            }
        }
        return $counts;
    }

    /**
     * Yield the findings of a run, by unit and path.
     *
     * @param run $run
     * @param int $limit how many at most, 0 for all
     * @return \Generator<int, finding>
     */
    public function findings(run $run, int $limit = 0): \Generator {
        $params = ['runid' => $run->id];
        $records = $this->db->get_recordset('local_accel_pool_finding', $params, 'id', '*', 0, $limit);
        foreach ($records as $record) {
            yield new finding(problem::from($record->problem), $record->path, (string) $record->detail);
        }
        $records->close();
    }

    /**
     * Return a run.
     *
     * @param int $id
     * @return run
     */
    private function get(int $id): run {
        return $this->run($this->db->get_record('local_accel_pool_run', ['id' => $id], '*', MUST_EXIST));
    }

    /**
     * Return the run that a row of the database describes.
     *
     * @param \stdClass $record
     * @return run
     */
    private function run(\stdClass $record): run {
        return new run(
            (int) $record->id,
            layout::parse_units($record->units),
            (int) $record->done,
            (int) $record->files,
            (int) $record->bytes,
            (int) $record->timestarted,
            (int) $record->timemodified,
            $record->timefinished === null ? null : (int) $record->timefinished,
        );
    }
}
