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

namespace local_accel\task;

use core\task\manager;
use core\task\scheduled_task;
use core_course\task\regrade_final_grades;

/**
 * Takes over the regrades that Moodle has queued: postpones its task for a course and queues {@see regrade_course}.
 *
 * Moodle's task stays in the queue. When it runs it finds nothing to do, or does it itself if ours has failed.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
class preempt_regrades extends scheduled_task {
    /** @var string Whether a course still needs its regrade: else Moodle's task only ends a progress bar. */
    private const NEEDING = "courseid = ? AND itemtype = 'course' AND needsupdate <> 0";

    /** @var int How long Moodle's own task waits for ours, in seconds. */
    private const POSTPONEMENT = 600;

    #[\Override]
    public function get_name(): string {
        return get_string('taskpreemptregrades', 'local_accel');
    }

    #[\Override]
    public function execute(): void {
        global $DB;
        if (!get_config('local_accel', 'regrade')) {
            return;
        }
        $later = \core\di::get(\core\clock::class)->time() + self::POSTPONEMENT;
        foreach (manager::get_adhoc_tasks(regrade_final_grades::class, skiprunning: true) as $task) {
            $courseid = (int) $task->get_custom_data()->courseid;
            $waits = $task->get_next_run_time() > $later - self::POSTPONEMENT;
            if ($waits || !$DB->record_exists_select('grade_items', self::NEEDING, [$courseid])) {
                continue;
            }
            manager::queue_adhoc_task(regrade_course::create($courseid), true);
            $task->set_next_run_time($later);
            manager::reschedule_or_queue_adhoc_task($task);
            mtrace("course {$courseid}: its regrade was taken over");
        }
    }
}
