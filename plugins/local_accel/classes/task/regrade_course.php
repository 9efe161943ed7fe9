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

use core\task\adhoc_task;
use core\task\manager;
use core_course\task\regrade_final_grades;
use local_accel\engines;
use local_accel\regrade\regrader;

/**
 * Regrades a course in bulk.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
class regrade_course extends adhoc_task {
    /**
     * Make a task for a course.
     *
     * @param int $courseid
     * @return self
     */
    public static function create(int $courseid): self {
        $task = new self();
        $task->set_custom_data((object) ['courseid' => $courseid]);
        $task->set_component('local_accel');
        return $task;
    }

    #[\Override]
    public function get_name(): string {
        return get_string('taskregradecourse', 'local_accel');
    }

    #[\Override]
    public function execute(): void {
        global $DB;
        $courseid = (int) $this->get_custom_data()->courseid;
        if (!$DB->record_exists('course', ['id' => $courseid])) {
            mtrace("course {$courseid} is gone");
            return;
        }
        $outcome = (new regrader($DB, engines::grade()))->regrade($courseid);
        mtrace("course {$courseid}: " . $outcome->text());
        foreach ($outcome->errors as $item => $error) {
            mtrace("  grade item {$item}: {$error}");
        }
        $this->hasten($courseid);
    }

    /**
     * Let Moodle's own task for the course run, which ends the progress bar that people look at.
     *
     * @param int $courseid
     */
    private function hasten(int $courseid): void {
        foreach (manager::get_adhoc_tasks(regrade_final_grades::class, skiprunning: true) as $task) {
            if ((int) $task->get_custom_data()->courseid === $courseid) {
                $task->set_next_run_time(\core\di::get(\core\clock::class)->time());
                manager::reschedule_or_queue_adhoc_task($task);
            }
        }
    }
}
