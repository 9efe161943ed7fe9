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

use local_accel\local\grade\engine;
use local_accel\regrade\regrader;

/**
 * Regrades a gradebook twice, by Moodle's own code and in bulk, and compares all that is written.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class trial {
    /** @var string[] Columns that tell when or in which row. */
    private const INCIDENTAL = ['id', 'oldid', 'timecreated', 'timemodified'];

    /** @var int The id of the first user; they need no record. */
    private const FIRST_USER = 900000;

    /** @var string[] What formulas are drawn from; {n} is the n-th item before. */
    private const FORMULAS = [
        '=sum({0},{1})', '=average({0};{1})', '={0}*2+{1}/3', '=max({0},{1})-min({0},{1})', '={0}', '=5', '=round({0}/7,2)+{1}^0.5',
        '=if({0}>10,{1},{0})', '={0}/{1}', '=({0}+{1})*0.333', '=mod({0},3)',
    ];

    /** @var array Events that were triggered. */
    private static array $events = [];

    /**
     * Make a trial.
     *
     * @param engine $engine
     */
    public function __construct(
        /** @var engine The engine. */
        private readonly engine $engine,
    ) {
    }

    /**
     * Watch the events.
     */
    public static function watch(): void {
        \core\event\manager::get_all_observers();
        $observers = new \ReflectionProperty(\core\event\manager::class, 'allobservers');
        $all = $observers->getValue();
        $all['\core\event\user_graded'] = [(object) [
            'callable' => [self::class, 'observe'],
            'priority' => 0,
            'internal' => true,
            'includefile' => null,
            'plugintype' => null,
            'plugin' => null,
        ]];
        $observers->setValue(null, $all);
    }

    /**
     * Note an event.
     *
     * @param \core\event\user_graded $event
     */
    public static function observe(\core\event\user_graded $event): void {
        $data = $event->get_data();
        $grade = $data['other']['finalgrade'];
        $grade = $grade === null ? null : sprintf('%.5f', $grade);
        self::$events[] = implode(' ', [
            $data['other']['itemid'], $data['relateduserid'], $data['userid'], $grade ?? 'null', (int) $data['other']['overridden'],
        ]);
    }

    /**
     * Build a gradebook, regrade it in both ways, change it and regrade it again.
     *
     * @param array $spec as {@see random_course::draw()} gives it
     * @param list<array> $rounds changes before each further regrade
     * @return array{differences: list<string>, left: string|null} what differs; why the course was left to Moodle's own code
     */
    public function run(array $spec, array $rounds): array {
        global $DB;
        [$course, $ids] = $this->build($spec);
        $left = null;
        try {
            foreach ([[], ...$rounds] as $number => $changes) {
                foreach ($changes as $grade) {
                    $this->put($grade, $ids);
                }
                $DB->set_field('grade_items', 'needsupdate', 1, ['courseid' => $course, 'itemtype' => 'course']);
                $core = $this->by_core($course, false);
                if ($core === null) {
                    return ['differences' => $this->expect_exception($course), 'left' => $left];
                }
                $late = in_array(true, array_column([...$spec['items'], ...$spec['categories']], 'calculation'), true)
                    ? $this->by_core($course, true) : $core;
                self::$events = [];
                $this->forget();
                $outcome = (new regrader($DB, $this->engine))->regrade($course);
                $bulk = $this->snapshot($course) + ['errors' => $outcome->errors];
                $left ??= $outcome->left?->getMessage();
                $expected = $outcome->left && $outcome->attempts ? $late : $core;
                $differences = $this->compare($expected, $bulk, array_flip($ids));
                if ($differences) {
                    return ['differences' => ["regrade {$number}:", ...$differences], 'left' => $left];
                }
            }
        } finally {
            $this->remove($course);
        }
        return ['differences' => [], 'left' => $left];
    }

    /**
     * Remove from a gradebook all that it doesn't need to differ.
     *
     * @param array $spec
     * @param list<array> $rounds
     * @return array{array, list<array>}
     */
    public function shrink(array $spec, array $rounds): array {
        $fails = fn(array $spec, array $rounds): bool => (bool) $this->run($spec, $rounds)['differences'];
        do {
            $before = json_encode([$spec, $rounds]);
            foreach (array_keys($rounds) as $key) {
                $smaller = $rounds;
                unset($smaller[$key]);
                $rounds = $fails($spec, array_values($smaller)) ? $smaller : $rounds;
            }
            $rounds = array_values($rounds);
            foreach (['grades', 'items', 'categories'] as $part) {
                foreach (array_reverse(array_keys($spec[$part])) as $key) {
                    $smaller = $this->without($spec, $part, $key);
                    if ($smaller && $fails($smaller, $rounds)) {
                        $spec = $smaller;
                    }
                }
            }
            foreach (['grades', 'items', 'categories'] as $part) {
                foreach ($spec[$part] as $key => $entry) {
                    foreach ($entry as $name => $value) {
                        $plain = in_array($name, ['multfactor', 'aggregateonlygraded'], true) ? 1 : 0;
                        $plain = in_array($name, ['feedback', 'weight'], true) ? null : $plain;
                        $fixed = ['user', 'on', 'parent', 'category', 'type', 'gradetype', 'grademax', 'rawmax', 'aggregation', 'status', 'final', 'raw', 'calculation'];
                        if ($value === $plain || in_array($name, $fixed, true)) {
                            continue;
                        }
                        $smaller = $spec;
                        $smaller[$part][$key][$name] = $plain;
                        $spec = $fails($smaller, $rounds) ? $smaller : $spec;
                    }
                }
            }
        } while (json_encode([$spec, $rounds]) !== $before);
        return [$spec, $rounds];
    }

    /**
     * Return a gradebook without one of its parts, or null if others need it.
     *
     * @param array $spec
     * @param string $part
     * @param int $key
     * @return array|null
     */
    private function without(array $spec, string $part, int $key): ?array {
        unset($spec[$part][$key]);
        if ($part === 'items') {
            $spec['grades'] = array_filter($spec['grades'], static fn(array $grade): bool => $grade['on'] !== "i{$key}");
        }
        if ($part === 'categories') {
            $used = [...array_column($spec['items'], 'category'), ...array_column($spec['categories'], 'parent')];
            if ($key === 0 || in_array($key, $used, true)) {
                return null;
            }
            $spec['grades'] = array_filter($spec['grades'], static fn(array $grade): bool => $grade['on'] !== "c{$key}");
        }
        return $spec;
    }

    /**
     * Regrade by Moodle's own code, note what it wrote, and undo it.
     *
     * @param int $course
     * @param bool $prepared whether weights and maxima have been updated before, as when a formula fails in a bulk regrade
     * @return array|null null if Moodle's own code ends with an error, as when a grade is too large for its column or is NaN
     */
    private function by_core(int $course, bool $prepared): ?array {
        global $DB;
        self::$events = [];
        $this->forget();
        $transaction = $DB->start_delegated_transaction();
        if ($prepared) {
            $regrader = new regrader($DB, $this->engine);
            (new \ReflectionMethod($regrader, 'prepare'))->invoke($regrader, $course);
            $this->forget();
        }
        try {
            $result = grade_regrade_final_grades($course);
            return $this->snapshot($course) + ['errors' => is_array($result) ? $result : []];
        } catch (\dml_write_exception | \TypeError) {
            return null;
        } finally {
            $DB->force_transaction_rollback();
            unset($transaction);
        }
    }

    /**
     * Regrade a course of which Moodle's own code makes an error: so must this.
     *
     * @param int $course
     * @return list<string> what differs
     */
    private function expect_exception(int $course): array {
        global $DB;
        $this->forget();
        try {
            (new regrader($DB, $this->engine))->regrade($course);
            return ["Moodle's own code ends with an error, the bulk regrade does not"];
        } catch (\dml_write_exception | \TypeError) {
            return [];
        }
    }

    /**
     * Drop what Moodle keeps in memory.
     */
    private function forget(): void {
        \grade_category::clean_record_set();
        \cache_helper::purge_by_definition('core', 'grade_categories');
    }

    /**
     * Read all that a regrade may write.
     *
     * @param int $course
     * @return array by table, each a list of rows
     */
    private function snapshot(int $course): array {
        global $DB;
        $of = 'itemid IN (SELECT id FROM {grade_items} WHERE courseid = ?)';
        $history = $DB->get_records_select('grade_grades_history', $of, [$course], 'itemid, userid, id');
        $events = self::$events;
        sort($events);
        return [
            'grade_items' => $this->plain($DB->get_records('grade_items', ['courseid' => $course], 'id')),
            'grade_items_history' => $this->plain($DB->get_records('grade_items_history', ['courseid' => $course], 'id')),
            'grade_grades' => $this->plain($DB->get_records_select('grade_grades', $of, [$course], 'itemid, userid')),
            'grade_grades_history' => $this->plain($history),
            'events' => $events,
        ];
    }

    /**
     * Return rows without what is incidental, and with whether they were modified at all.
     *
     * @param \stdClass[] $rows
     * @return list<string>
     */
    private function plain(array $rows): array {
        return array_values(array_map(static function (\stdClass $row): string {
            $row = (array) $row;
            $row['modified'] = $row['timemodified'] === null ? 'never' : ($row['timemodified'] > 1000 ? 'now' : 'before');
            return json_encode(array_diff_key($row, array_flip(self::INCIDENTAL)));
        }, $rows));
    }

    /**
     * Compare what was written.
     *
     * @param array $core
     * @param array $bulk
     * @param string[] $names of items by id
     * @return list<string>
     */
    private function compare(array $core, array $bulk, array $names): array {
        $differences = [];
        foreach ($core as $what => $expected) {
            $missing = array_diff($expected, $bulk[$what]);
            $surplus = array_diff($bulk[$what], $expected);
            $named = static fn(string $row): string => preg_replace_callback(
                '/"itemid":"?(\d+)"?/',
                static fn(array $found): string => "\"item\":\"{$names[$found[1]]}\"",
                $row,
            );
            foreach ($missing as $row) {
                $differences[] = "{$what} core: {$named((string) $row)}";
            }
            foreach ($surplus as $row) {
                $differences[] = "{$what} bulk: {$named((string) $row)}";
            }
            if (!$missing && !$surplus && $expected !== $bulk[$what]) {
                $differences[] = "{$what}: another order or number (" . count($expected) . ' and ' . count($bulk[$what]) . ')';
            }
        }
        return $differences;
    }

    /**
     * Build a gradebook in a course of its own.
     *
     * @param array $spec
     * @return array{int, array<string, int>} the course, and the ids of grade items by c and i with their number
     */
    private function build(array $spec): array {
        global $DB;
        foreach (array_diff_key($spec['settings'], ['freeze' => 0]) as $name => $value) {
            set_config($name, $value);
        }
        $course = (int) $DB->insert_record('course', (object) [
            'category' => 1, 'fullname' => 'Fuzz', 'shortname' => uniqid('fuzz', true), 'timecreated' => time(),
        ]);
        \context_course::instance($course);
        if ($spec['settings']['freeze']) {
            set_config("gradebook_calculations_freeze_{$course}", $spec['settings']['freeze']);
        }
        $scale = $this->scale();
        $categories = $ids = [];
        foreach ($spec['categories'] as $at => $given) {
            $category = $at === 0 ? \grade_category::fetch_course_category($course) : new \grade_category([
                'courseid' => $course, 'parent' => $categories[$given['parent']]->id, 'fullname' => "Category {$at}",
            ], false);
            if ($at !== 0) {
                $category->insert();
            }
            $categories[$at] = $category;
            $item = $category->load_grade_item();
            $ids["c{$at}"] = (int) $item->id;
            $DB->update_record('grade_categories', (object) (['id' => $category->id] + array_intersect_key($given, array_flip([
                'aggregation', 'droplow', 'keephigh', 'aggregateonlygraded', 'aggregateoutcomes',
            ]))));
            $DB->update_record('grade_items', (object) (['id' => $item->id] + array_intersect_key($given, array_flip([
                'gradetype', 'grademin', 'grademax', 'locked', 'hidden', 'aggregationcoef', 'aggregationcoef2', 'weightoverride',
            ])) + ($given['gradetype'] === 2 ? ['scaleid' => $scale] : [])));
        }
        foreach ($spec['items'] as $at => $given) {
            $ids["i{$at}"] = $this->build_item($course, $categories[$given['category']], $given, $scale);
        }
        foreach (['items' => 'i', 'categories' => 'c'] as $part => $letter) {
            foreach ($spec[$part] as $at => $given) {
                if ($given['calculation']) {
                    $DB->set_field('grade_items', 'calculation', $this->formula($at, $spec, $ids), ['id' => $ids["{$letter}{$at}"]]);
                }
            }
        }
        foreach ($spec['grades'] as $grade) {
            $this->put($grade, $ids);
        }
        return [$course, $ids];
    }

    /**
     * Build an item.
     *
     * @param int $course
     * @param \grade_category $category
     * @param array $given
     * @param int $scale
     * @return int its id
     */
    private function build_item(int $course, \grade_category $category, array $given, int $scale): int {
        global $DB;
        $type = $given['type'];
        $scaled = $type === 'scale' || $type === 'outcome';
        $record = [
            'courseid' => $course,
            'categoryid' => $category->id,
            'itemname' => ucfirst($type),
            'itemtype' => $type === 'mod' ? 'mod' : 'manual',
            'itemmodule' => $type === 'mod' ? 'assign' : null,
            'iteminstance' => $type === 'mod' ? mt_rand(1000000, 9999999) : null,
            'itemnumber' => $type === 'mod' ? 0 : null,
            'gradetype' => $scaled ? 2 : ($type === 'text' ? 3 : 1),
            'scaleid' => $scaled ? $scale : null,
            'outcomeid' => $type === 'outcome' ? 1 : null,
            'sortorder' => $DB->count_records('grade_items', ['courseid' => $course]) + 1,
            'timecreated' => 1,
            'timemodified' => 1,
        ] + array_diff_key($given, ['type' => 0, 'category' => 0, 'calculation' => 0]);
        if ($scaled) {
            $record['grademin'] = 1;
            $record['grademax'] = 4;
        }
        return (int) $DB->insert_record('grade_items', (object) $record);
    }

    /**
     * Return a formula of items that come before.
     *
     * @param int $at
     * @param array $spec
     * @param int[] $ids
     * @return string as Moodle stores it
     */
    private function formula(int $at, array $spec, array $ids): string {
        $before = array_keys(array_filter(
            $spec['items'],
            static fn(array $item, int $key): bool => $key < $at && $item['type'] !== 'formula',
            ARRAY_FILTER_USE_BOTH,
        ));
        $template = $before ? self::FORMULAS[$at % count(self::FORMULAS)] : '=5';
        return preg_replace_callback('/\{(\d)\}/', static function (array $found) use ($before, $ids): string {
            return '##gi' . $ids['i' . $before[$found[1] % count($before)]] . '##';
        }, $template);
    }

    /**
     * Put a grade into the database, over the one that may be there.
     *
     * @param array $grade
     * @param int[] $ids
     */
    private function put(array $grade, array $ids): void {
        global $DB;
        if (!isset($ids[$grade['on']])) {
            return;
        }
        $key = ['itemid' => $ids[$grade['on']], 'userid' => self::FIRST_USER + $grade['user']];
        $old = $DB->get_field('grade_grades', 'id', $key);
        $record = (object) ($key + [
            'finalgrade' => $grade['final'],
            'rawgrade' => $grade['raw'],
            'rawgrademin' => $grade['rawmin'],
            'rawgrademax' => $grade['rawmax'],
            'excluded' => $grade['excluded'],
            'overridden' => $grade['overridden'],
            'locked' => $grade['locked'],
            'hidden' => $grade['hidden'],
            'feedback' => $grade['feedback'],
            'feedbackformat' => 1,
            'aggregationstatus' => $grade['status'],
            'aggregationweight' => $grade['weight'],
            'timemodified' => 1,
        ]);
        if ($old) {
            $record->id = $old;
            $DB->update_record('grade_grades', $record);
        } else {
            $DB->insert_record('grade_grades', $record);
        }
    }

    /**
     * Return a scale of four.
     *
     * @return int its id
     */
    private function scale(): int {
        global $DB;
        $id = $DB->get_field('scale', 'id', ['name' => 'Fuzz']);
        return (int) ($id ?: $DB->insert_record('scale', (object) [
            'courseid' => 0, 'userid' => 0, 'name' => 'Fuzz', 'scale' => 'A,B,C,D', 'description' => '', 'timemodified' => 1,
        ]));
    }

    /**
     * Remove a course with its gradebook.
     *
     * @param int $course
     */
    private function remove(int $course): void {
        global $DB;
        $of = 'itemid IN (SELECT id FROM {grade_items} WHERE courseid = ?)';
        $DB->delete_records_select('grade_grades_history', $of, [$course]);
        $DB->delete_records_select('grade_grades', $of, [$course]);
        foreach (['grade_items_history', 'grade_items', 'grade_categories_history', 'grade_categories'] as $table) {
            $DB->delete_records($table, ['courseid' => $course]);
        }
        unset_config("gradebook_calculations_freeze_{$course}");
        \context_helper::delete_instance(CONTEXT_COURSE, $course);
        $DB->delete_records('course', ['id' => $course]);
    }
}
