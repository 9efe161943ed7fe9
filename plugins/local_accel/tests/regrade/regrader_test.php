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

use local_accel\engines;
use local_accel\local\grade\engine;
use local_accel\local\native\native_error;
use local_accel\local\native\status;

/**
 * Tests of the bulk regrade, beside Moodle's own code. What random gradebooks give is compared by tests/fuzz/regrade.php.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[\PHPUnit\Framework\Attributes\CoversClass(regrader::class)]
final class regrader_test extends \advanced_testcase {
    /** @var \stdClass The course. */
    private \stdClass $course;

    /** @var \stdClass[] Its students. */
    private array $students = [];

    #[\Override]
    protected function setUp(): void {
        parent::setUp();
        global $CFG;
        require_once($CFG->libdir . '/gradelib.php');
        $this->preventResetByRollback();
        $this->resetAfterTest();
        $this->setAdminUser();
        $generator = $this->getDataGenerator();
        $this->course = $generator->create_course();
        for ($number = 0; $number < 3; $number++) {
            $this->students[] = $generator->create_and_enrol($this->course, 'student');
        }
        $category = $generator->create_grade_category(['courseid' => $this->course->id, 'aggregation' => GRADE_AGGREGATE_MEAN]);
        foreach ([100, 50] as $max) {
            $item = new \grade_item($generator->create_grade_item([
                'courseid' => $this->course->id, 'categoryid' => $category->id, 'itemtype' => 'manual', 'grademax' => $max,
            ]), false);
            foreach ($this->students as $at => $student) {
                $item->update_final_grade($student->id, $max * ($at + 1) / 4);
            }
        }
        grade_regrade_final_grades($this->course->id);
    }

    /**
     * Regrade the course in bulk.
     *
     * @return outcome
     */
    private function regrade(): outcome {
        global $DB;
        grade_force_full_regrading($this->course->id);
        return (new regrader($DB, engines::grade('php')))->regrade((int) $this->course->id);
    }

    public function test_a_course_that_needs_nothing_is_left_alone(): void {
        global $DB;
        $outcome = (new regrader($DB, engines::grade('php')))->regrade((int) $this->course->id);
        $this->assertSame('', $outcome->engine);
        $this->assertSame('nothing to do', $outcome->text());
    }

    public function test_a_second_regrade_changes_nothing_and_triggers_no_events(): void {
        global $DB;
        $before = $DB->get_records('grade_grades');
        $events = $this->redirectEvents();
        $outcome = $this->regrade();
        $this->assertSame(['php', 3, 0, 0], [$outcome->engine, $outcome->users, $outcome->inserted, $outcome->updated]);
        $this->assertSame([], $events->get_events());
        $this->assertEquals($before, $DB->get_records('grade_grades'));
        $this->assertFalse((bool) grade_needs_regrade_final_grades($this->course->id));
    }

    public function test_totals_that_are_gone_come_back_with_history_and_events(): void {
        global $DB;
        $items = \grade_item::fetch_all(['courseid' => $this->course->id]);
        $totals = array_keys(array_filter($items, static fn(\grade_item $item): bool => $item->is_aggregate_item()));
        $expected = $DB->get_records_list('grade_grades', 'itemid', $totals, 'itemid, userid', 'itemid, userid, finalgrade');
        $DB->delete_records_list('grade_grades', 'itemid', $totals);
        $DB->delete_records('grade_grades_history');
        $events = $this->redirectEvents();
        $outcome = $this->regrade();
        $this->assertSame([6, 6], [$outcome->inserted, $outcome->updated]);
        $found = $DB->get_records_list('grade_grades', 'itemid', $totals, 'itemid, userid', 'itemid, userid, finalgrade');
        $this->assertEquals(array_values($expected), array_values($found));
        $this->assertSame(6, $DB->count_records('grade_grades_history', ['action' => GRADE_HISTORY_INSERT, 'source' => 'system']));
        $this->assertSame(6, $DB->count_records('grade_grades_history', ['action' => GRADE_HISTORY_UPDATE, 'source' => 'aggregation']));
        $this->assertCount(6, $events->get_events());
        $this->assertContainsOnlyInstancesOf(\core\event\user_graded::class, $events->get_events());
    }

    public function test_an_open_transaction_leaves_the_course_to_core(): void {
        global $DB;
        $transaction = $DB->start_delegated_transaction();
        $outcome = $this->regrade();
        $transaction->allow_commit();
        $this->assertSame(['core', reason::TRANSACTION], [$outcome->engine, $outcome->left->reason]);
        $this->assertFalse((bool) grade_needs_regrade_final_grades($this->course->id));
    }

    public function test_a_formula_that_fails_is_reported_as_core_reports_it(): void {
        $item = new \grade_item($this->getDataGenerator()->create_grade_item([
            'courseid' => $this->course->id, 'itemtype' => 'manual', 'itemname' => 'Broken',
        ]), false);
        $first = array_key_first(\grade_item::fetch_all(['courseid' => $this->course->id, 'grademax' => 50]));
        $item->calculation = "=##gi{$first}##/0";
        $item->update();
        $outcome = $this->regrade();
        $this->assertSame(['core', reason::FORMULA], [$outcome->engine, $outcome->left->reason]);
        $this->assertArrayHasKey($item->id, $outcome->errors);
        $this->assertStringContainsString('Broken', $outcome->text());
    }

    public function test_items_in_a_circle_are_left_to_core(): void {
        $items = array_values(\grade_item::fetch_all(['courseid' => $this->course->id, 'itemtype' => 'manual']));
        foreach ([[0, 1], [1, 0]] as [$at, $other]) {
            $items[$at]->calculation = "=##gi{$items[$other]->id}##";
            $items[$at]->update();
        }
        $this->assertSame(reason::CIRCLE, $this->regrade()->left->reason);
    }

    public function test_a_lock_that_is_due_is_left_to_core(): void {
        global $DB;
        $DB->set_field('grade_items', 'locktime', 1, ['courseid' => $this->course->id, 'grademax' => 50]);
        $outcome = $this->regrade();
        $this->assertSame(reason::LOCK_DUE, $outcome->left->reason);
        $this->assertNotEquals(0, $DB->get_field('grade_items', 'locked', ['courseid' => $this->course->id, 'grademax' => 50]));
    }

    public function test_a_defect_of_the_native_library_is_made_good_by_php(): void {
        global $DB;
        $defect = $this->createStub(engine::class);
        $defect->method('aggregate')->willThrowException(new native_error(status::PANIC, 'a panic on purpose'));
        $before = $DB->get_records('grade_grades');
        grade_force_full_regrading($this->course->id);
        $outcome = (new regrader($DB, $defect))->regrade((int) $this->course->id);
        $this->assertDebuggingCalled('local_accel: the native library failed, PHP does it: a panic on purpose');
        $this->assertSame(['php', 2], [$outcome->engine, $outcome->attempts]);
        $this->assertEquals($before, $DB->get_records('grade_grades'));
    }

    public function test_every_reason_has_a_text(): void {
        foreach (reason::cases() as $reason) {
            $this->assertStringNotContainsString('[[', $reason->text());
        }
    }
}
