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

use core\event\user_graded;

/**
 * What Moodle does besides for each grade that it writes, kept until the grades are committed: caches, completion, events.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class aftermath {
    /** @var int How many grades are looked up at a time. */
    private const ROWS = 1000;

    /** @var string What is packed for a grade: the ids of grade, item and user, the actor, and the grade itself. */
    private const PACKED = 'qqqqe';

    /** @var string Each grade that got another value. */
    private string $graded = '';

    /** @var string Each grade that was inserted for an activity. */
    private string $inserted = '';

    /** @var int[] The users of whom anything was written, by id. */
    private array $touched = [];

    /** @var int How many users have grades. */
    public int $users = 0;

    /** @var int How many grades were inserted. */
    public int $insertions = 0;

    /** @var int How many grades got another value. */
    public int $updates = 0;

    /**
     * Begin.
     *
     * @param array<int, \grade_item> $items the course's items by id
     */
    public function __construct(
        /** @var array<int, \grade_item> The course's items by id. */
        private readonly array $items,
    ) {
    }

    /**
     * Note a grade that got another value.
     *
     * @param int $id
     * @param int $item
     * @param int $user
     * @param float|null $grade
     * @param int|null $actor the user that the event names, null for the current one
     */
    public function graded(int $id, int $item, int $user, ?float $grade, ?int $actor): void {
        $this->graded .= pack(self::PACKED, $id, $item, $user, $actor ?? PHP_INT_MIN, $grade ?? NAN);
        $this->touched[$user] = $user;
        $this->updates++;
    }

    /**
     * Note a grade that was inserted.
     *
     * @param int $id
     * @param int $item
     * @param int $user
     */
    public function inserted(int $id, int $item, int $user): void {
        if ($this->items[$item]->itemtype === 'mod') {
            $this->inserted .= pack(self::PACKED, $id, $item, $user, PHP_INT_MIN, NAN);
        }
        $this->touched[$user] = $user;
        $this->insertions++;
    }

    /**
     * Do it all. The grades must have been committed. What fails for one grade is told to developers, and the others go on.
     */
    public function settle(): void {
        global $CFG;
        if (!empty($CFG->enableavailability) && class_exists('\availability_grade\callbacks')) {
            array_walk($this->touched, static fn(int $user) => \availability_grade\callbacks::grade_changed($user));
        }
        $this->complete();
        foreach ($this->grades($this->graded) as $actor => $grade) {
            $actor = $actor === PHP_INT_MIN ? null : $actor;
            $this->attempt(static fn() => user_graded::create_from_grade($grade, $actor)->trigger());
        }
    }

    /**
     * Tell the completion of activities about grades that were inserted, as grade_grade::notify_changed() does.
     */
    private function complete(): void {
        global $CFG;
        require_once($CFG->libdir . '/completionlib.php');
        if ($this->inserted === '' || !\completion_info::is_enabled_for_site()) {
            return;
        }
        $course = get_course($this->items[array_key_first($this->items)]->courseid, false);
        $completion = new \completion_info($course);
        if (!$completion->is_enabled()) {
            return;
        }
        foreach ($this->grades($this->inserted) as $grade) {
            $item = $grade->grade_item;
            $module = get_coursemodule_from_instance($item->itemmodule, $item->iteminstance, $item->courseid);
            if ($module) {
                $this->attempt(static fn() => $completion->inform_grade_changed($module, $item, $grade, false));
            }
        }
    }

    /**
     * Do one thing of many.
     *
     * @param callable $what
     */
    private function attempt(callable $what): void {
        try {
            $what();
        } catch (\Exception $exception) {
            debugging("local_accel: after a regrade: {$exception->getMessage()}");
        }
    }

    /**
     * Read grades back.
     *
     * @param string $packed
     * @return \Generator<int, \grade_grade> by the actor, with their items; a grade that somebody has deleted is left out
     */
    private function grades(string $packed): \Generator {
        global $DB;
        $fields = implode(',', (new \grade_grade())->required_fields);
        $size = strlen(pack(self::PACKED, 0, 0, 0, 0, 0.0));
        for ($from = 0; $from < strlen($packed); $from += $size * self::ROWS) {
            $entries = [];
            foreach (str_split(substr($packed, $from, $size * self::ROWS), $size) as $entry) {
                $entries[] = unpack('qid/qitem/quser/qactor/egrade', $entry);
            }
            [$in, $parameters] = $DB->get_in_or_equal(array_column($entries, 'id'));
            $rows = $DB->get_records_select('grade_grades', "id {$in}", $parameters, '', $fields);
            foreach ($entries as $entry) {
                if (isset($rows[$entry['id']])) {
                    $grade = new \grade_grade($rows[$entry['id']], false);
                    $grade->finalgrade = is_nan($entry['grade']) ? null : $entry['grade'];
                    $grade->grade_item = $this->items[$entry['item']];
                    yield $entry['actor'] => $grade;
                }
            }
        }
    }
}
