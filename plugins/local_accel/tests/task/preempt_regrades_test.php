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
use core_course\task\regrade_final_grades;

/**
 * Tests of taking over the regrades that Moodle has queued.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[\PHPUnit\Framework\Attributes\CoversClass(preempt_regrades::class)]
#[\PHPUnit\Framework\Attributes\CoversClass(regrade_course::class)]
final class preempt_regrades_test extends \advanced_testcase {
    /** @var int The course. */
    private int $course;

    #[\Override]
    protected function setUp(): void {
        parent::setUp();
        global $CFG;
        require_once($CFG->libdir . '/gradelib.php');
        $this->preventResetByRollback();
        $this->resetAfterTest();
        $this->setAdminUser();
        $this->course = (int) $this->getDataGenerator()->create_course()->id;
        \grade_category::fetch_course_category($this->course);
        manager::queue_adhoc_task(regrade_final_grades::create($this->course), true);
    }

    /**
     * Return when Moodle's own task runs, and how many of ours wait.
     *
     * @return array{int, int}
     */
    private function queue(): array {
        $core = manager::get_adhoc_tasks(regrade_final_grades::class);
        return [(int) reset($core)->get_next_run_time(), count(manager::get_adhoc_tasks(regrade_course::class))];
    }

    public function test_a_queued_regrade_is_postponed_and_done_by_ours(): void {
        $this->expectOutputRegex("/course {$this->course}: its regrade was taken over/");
        (new preempt_regrades())->execute();
        [$later, $mine] = $this->queue();
        $this->assertGreaterThan(time() + 500, $later);
        $this->assertSame(1, $mine);

        (new preempt_regrades())->execute();
        $this->assertSame([$later, 1], $this->queue());

        $this->runAdhocTasks(regrade_course::class);
        [$soon, $mine] = $this->queue();
        $this->assertLessThanOrEqual(time(), $soon);
        $this->assertSame(0, $mine);
        $this->assertFalse((bool) grade_needs_regrade_final_grades($this->course));
    }

    public function test_nothing_is_taken_over_where_it_is_switched_off(): void {
        set_config('regrade', 0, 'local_accel');
        $before = $this->queue();
        (new preempt_regrades())->execute();
        $this->assertSame($before, $this->queue());
    }

    public function test_a_course_that_is_gone_is_said(): void {
        $this->expectOutputRegex('/course 999999 is gone/');
        regrade_course::create(999999)->execute();
    }
}
