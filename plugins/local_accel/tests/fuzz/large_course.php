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
 * A large gradebook for measurements and faults: a category of each common kind, nested two deep, 92 % graded, one formula. Every fourth item is an activity's.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class large_course {
    /** @var int The id of the first user; they need no record. */
    public const FIRST_USER = 800000;

    /**
     * Build it in a course of its own.
     *
     * @param int $users
     * @param int $items
     * @param int $seed
     * @return int the course
     */
    public static function build(int $users, int $items, int $seed): int {
        global $DB;
        mt_srand($seed);
        $course = (int) $DB->insert_record('course', (object) [
            'category' => 1, 'fullname' => 'Bench', 'shortname' => uniqid('bench', true), 'timecreated' => time(),
        ]);
        \context_course::instance($course);
        $root = \grade_category::fetch_course_category($course);
        $settings = ['aggregation' => GRADE_AGGREGATE_SUM, 'aggregateonlygraded' => 0];
        $DB->update_record('grade_categories', (object) (['id' => $root->id] + $settings));
        $kinds = [
            [$root, ['aggregation' => GRADE_AGGREGATE_WEIGHTED_MEAN]],
            [$root, ['aggregation' => GRADE_AGGREGATE_SUM]],
            [null, ['aggregation' => GRADE_AGGREGATE_WEIGHTED_MEAN2]],
            [null, ['aggregation' => GRADE_AGGREGATE_SUM, 'droplow' => 2]],
            [$root, ['aggregation' => GRADE_AGGREGATE_MEAN, 'keephigh' => 5]],
            [$root, ['aggregation' => GRADE_AGGREGATE_MEDIAN]],
            [$root, ['aggregation' => GRADE_AGGREGATE_MEAN]],
        ];
        $categories = [$root];
        foreach ($kinds as $at => [$parent, $kind]) {
            $parent ??= $categories[2];
            $category = new \grade_category(['courseid' => $course, 'parent' => $parent->id, 'fullname' => "Kind {$at}"], false);
            $category->insert();
            $DB->update_record('grade_categories', (object) (['id' => $category->id, 'aggregateonlygraded' => 0] + $kind));
            $categories[] = $category;
        }
        $ids = [];
        for ($at = 0; $at < $items; $at++) {
            $ids[] = (int) $DB->insert_record('grade_items', (object) [
                'courseid' => $course, 'categoryid' => $categories[$at % 8]->id, 'itemname' => "Item {$at}",
                'itemtype' => $at % 4 === 3 ? 'mod' : 'manual', 'itemmodule' => $at % 4 === 3 ? 'assign' : null,
                'iteminstance' => $at % 4 === 3 ? 1000000 + $at : null, 'itemnumber' => $at % 4 === 3 ? 0 : null,
                'gradetype' => GRADE_TYPE_VALUE, 'grademin' => 0, 'grademax' => 100, 'sortorder' => 10 + $at, 'needsupdate' => 1,
                'aggregationcoef' => $at % 8 === 1 ? 1 + $at % 3 : 0, 'timecreated' => 1, 'timemodified' => 1,
            ]);
        }
        $inputs = implode(',', array_map(static fn(int $id): string => "##gi{$id}##", array_slice($ids, 0, 9)));
        $DB->insert_record('grade_items', (object) [
            'courseid' => $course, 'categoryid' => $categories[7]->id, 'itemname' => 'Formula', 'itemtype' => 'manual',
            'gradetype' => GRADE_TYPE_VALUE, 'grademin' => 0, 'grademax' => 100, 'sortorder' => 9, 'needsupdate' => 1,
            'calculation' => "=average({$inputs})*0.9+5", 'timecreated' => 1, 'timemodified' => 1,
        ]);
        $rows = (static function () use ($users, $ids): \Generator {
            for ($user = 0; $user < $users; $user++) {
                foreach ($ids as $id) {
                    $grade = mt_rand(1, 100) > 92 ? null : mt_rand(0, 10000) / 100;
                    yield [
                        'itemid' => $id, 'userid' => self::FIRST_USER + $user, 'rawgrademin' => 0, 'rawgrademax' => 100, 'finalgrade' => $grade, 'rawgrade' => $grade,
                        'timemodified' => 1,
                    ];
                }
            }
        })();
        $DB->insert_records('grade_grades', $rows);
        return $course;
    }

    /**
     * Put a course back to where no totals are.
     *
     * @param int $course
     */
    public static function make_cold(int $course): void {
        global $DB;
        $items = 'itemid IN (SELECT id FROM {grade_items} WHERE courseid = ?)';
        $totals = "itemid IN (SELECT id FROM {grade_items}
            WHERE courseid = ? AND (itemtype IN ('course', 'category') OR calculation IS NOT NULL))";
        $DB->delete_records_select('grade_grades', $totals, [$course]);
        $DB->delete_records_select('grade_grades_history', $items, [$course]);
        $DB->execute("UPDATE {grade_grades} SET aggregationstatus = 'unknown', aggregationweight = NULL WHERE {$items}", [$course]);
        $DB->delete_records('logstore_standard_log');
    }
}
