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

use core\event\base;

/**
 * The grades of activities, whose final grades follow from raw ones.
 *
 * The database finds those that may have to change. They go through Moodle's own code, because it does more with them than
 * with totals: feedback files, completion.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class raw_grades {
    /**
     * Take a course's items.
     *
     * @param \moodle_database $database
     * @param array<int, \grade_item> $items by id
     * @param aftermath $aftermath
     */
    public function __construct(
        /** @var \moodle_database The database. */
        private \moodle_database $database,
        /** @var array<int, \grade_item> The course's items by id. */
        private array $items,
        /** @var aftermath What is to be done once all is committed. */
        private aftermath $aftermath,
    ) {
    }

    /**
     * Bring the final grades of items that need an update to what their raw grades say, as grade_item::regrade_final_grades() does.
     */
    public function adjust(): void {
        $needing = array_filter($this->items, static fn(\grade_item $item): bool => $item->needsupdate && !$item->is_locked()
            && !$item->is_calculated() && !$item->is_outcome_item() && !$item->is_aggregate_item() && !$item->is_manual_item()
            && $item->is_raw_used());
        foreach ($needing as $item) {
            $rows = $this->doubtful($item);
            foreach ($rows as $row) {
                $this->adjust_one($item, $row);
            }
            $rows->close();
        }
    }

    /**
     * Find the grades of an item that may differ from what their raw grades say.
     *
     * @param \grade_item $item
     * @return \moodle_recordset
     */
    private function doubtful(\grade_item $item): \moodle_recordset {
        $fields = implode(',', (new \grade_grade())->required_fields);
        $where = 'itemid = ? AND locked = 0 AND overridden = 0 AND NOT (rawgrade IS NULL AND finalgrade IS NULL)';
        $parameters = [$item->id];
        $plain = $item->gradetype == GRADE_TYPE_VALUE && $item->multfactor == 1 && $item->plusfactor == 0;
        if ($plain && $item->grademin < $item->grademax) {
            $where .= ' AND CASE WHEN rawgrade = finalgrade AND rawgrademin = ? AND rawgrademax = ? AND rawgrade BETWEEN ? AND ?
                THEN 0 ELSE 1 END = 1';
            array_push($parameters, $item->grademin, $item->grademax, $item->grademin, $item->grademax);
        }
        return $this->database->get_recordset_select('grade_grades', $where, $parameters, '', $fields);
    }

    /**
     * Write a grade if it differs from what its raw grade says.
     *
     * @param \grade_item $item
     * @param \stdClass $row
     */
    private function adjust_one(\grade_item $item, \stdClass $row): void {
        $grade = new \grade_grade($row, false);
        $grade->finalgrade = $item->adjust_raw_grade($grade->rawgrade, $grade->rawgrademin, $grade->rawgrademax);
        if (grade_floats_different($row->finalgrade, $grade->finalgrade) && $grade->update('system')) {
            $this->aftermath->graded((int) $grade->id, (int) $item->id, (int) $grade->userid, $grade->finalgrade, base::USER_OTHER);
        }
    }
}
