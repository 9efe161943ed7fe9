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

use core\lock\lock_config;
use core\progress\base as progress;
use core\progress\none;
use local_accel\local\grade\engine;

/**
 * Regrades whole courses: as grade_regrade_final_grades() does, with the same rows, but many at a time.
 *
 * All totals of a course are written in one transaction under a lock of the course. Rows are read without a lock. Whoever
 * changes a grade meanwhile marks the course for another regrade, as always in Moodle, and that mark is kept: the regrade
 * clears only the mark that it has made its own before it read. Rows that it overwrites are locked and compared first.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class regrader {
    /** @var int A value of needsupdate that Moodle takes for set, and never sets. */
    private const MARK = 2;

    /** @var int How many rows are held in memory at a time. */
    private const ROWS = 60000;

    /** @var int How often a regrade begins before it is left to Moodle's own code. */
    private const ATTEMPTS = 5;

    /** @var string What databases say when another transaction was in the way. */
    private const IN_THE_WAY = '/deadlock|lock wait timeout|could not serialize|duplicate (entry|key)|record has changed/i';

    /**
     * Make a regrader.
     *
     * @param \moodle_database $database
     * @param engine $engine
     * @param int $patience how long to wait for another regrade of the course, in seconds
     */
    public function __construct(
        /** @var \moodle_database The database. */
        private readonly \moodle_database $database,
        /** @var engine What computes. */
        private readonly engine $engine,
        /** @var int How long to wait for another regrade of the course, in seconds. */
        private readonly int $patience = 600,
    ) {
    }

    /**
     * Regrade a course, if it needs it.
     *
     * @param int $courseid
     * @param progress|null $progress
     * @return outcome
     * @throws \moodle_exception if another regrade of the course does not end in time
     */
    public function regrade(int $courseid, ?progress $progress = null): outcome {
        global $CFG;
        require_once($CFG->libdir . '/gradelib.php');
        $progress ??= new none();
        \core_php_time_limit::raise();
        $lock = lock_config::get_lock_factory('local_accel_regrade')->get_lock("course_{$courseid}", $this->patience);
        if (!$lock) {
            throw new \moodle_exception('locktimeout');
        }
        try {
            if (!grade_needs_regrade_final_grades($courseid)) {
                return new outcome('');
            }
            return $this->in_bulk($courseid, $progress);
        } catch (left_to_core $left) {
            $result = grade_regrade_final_grades($courseid, progress: $progress);
            return new outcome('core', attempts: $left->attempts, left: $left, errors: is_array($result) ? $result : []);
        } finally {
            $lock->release();
        }
    }

    /**
     * Regrade a course in bulk; begin again when others were in the way.
     *
     * @param int $courseid
     * @param progress $progress
     * @return outcome
     * @throws left_to_core
     */
    private function in_bulk(int $courseid, progress $progress): outcome {
        if (!table::supports($this->database)) {
            throw new left_to_core(reason::DATABASE);
        }
        if ($this->database->is_transaction_started()) {
            throw new left_to_core(reason::TRANSACTION);
        }
        $this->refuse_what_is_left($courseid);
        for ($attempt = 1; $attempt <= self::ATTEMPTS; $attempt++) {
            try {
                return $this->attempt($courseid, $progress, $attempt);
            } catch (conflict) {
                $this->database->force_transaction_rollback();
            } catch (\dml_exception $error) {
                $this->database->force_transaction_rollback();
                if (!preg_match(self::IN_THE_WAY, $error->error ?? $error->getMessage())) {
                    throw $error;
                }
            } catch (\Throwable $error) {
                $this->database->force_transaction_rollback();
                if ($error instanceof left_to_core) {
                    $error->attempts = $attempt;
                }
                throw $error;
            }
            usleep(random_int(10000, 100000) * $attempt);
        }
        throw new left_to_core(reason::BUSY);
    }

    /**
     * Leave a course before anything is written, where that can be known: Moodle's own code would update weights a second time.
     *
     * @param int $courseid
     * @throws left_to_core
     */
    private function refuse_what_is_left(int $courseid): void {
        new plan($courseid);
    }

    /**
     * Regrade a course in bulk.
     *
     * @param int $courseid
     * @param progress $progress
     * @param int $attempt
     * @return outcome
     */
    private function attempt(int $courseid, progress $progress, int $attempt): outcome {
        $this->prepare($courseid);
        $transaction = $this->database->start_delegated_transaction();
        $plan = new plan($courseid);
        $aftermath = new aftermath($plan->items);
        $store = new store($this->database, $plan, time(), $aftermath);
        $users = $store->users();
        $chunks = array_chunk($users, max(1, intdiv(self::ROWS, count($plan->items))));
        $progress->start_progress(get_string('recalculatinggrades', 'grades'), max(1, count($chunks)));
        foreach ($chunks as $done => $chunk) {
            $progress->progress($done);
            $sheet = $store->read($chunk, count($chunks) === 1);
            foreach ($plan->steps as $step) {
                $step->apply($sheet, $this->engine);
            }
            $store->write($sheet);
        }
        $mark = ['courseid' => $courseid, 'itemtype' => 'course', 'needsupdate' => self::MARK];
        $this->database->set_field('grade_items', 'needsupdate', 0, $mark);
        $transaction->allow_commit();
        $progress->end_progress();
        $aftermath->settle();
        \grade_grade::check_locktime_all(array_keys($plan->items));
        return new outcome($this->engine->name(), count($users), $aftermath->insertions, $aftermath->updates, $attempt);
    }

    /**
     * Bring up to date what totals are computed from: automatic weights and maxima, and final grades that follow from raw ones.
     *
     * Items then need no update any more, only the course does, until its totals are written. So whoever changes a grade from now
     * on marks item and course: Moodle leaves a mark out where the item has one.
     *
     * @param int $courseid
     */
    private function prepare(int $courseid): void {
        $transaction = $this->database->start_delegated_transaction();
        $this->database->get_records_sql('SELECT id FROM {grade_items} WHERE courseid = ? FOR UPDATE', [$courseid]);
        $categories = \grade_category::fetch_all(['courseid' => $courseid]) ?: [];
        usort($categories, static fn(\grade_category $one, \grade_category $other): int => $other->depth <=> $one->depth);
        foreach ($categories as $category) {
            $category->pre_regrade_final_grades();
        }
        $items = \grade_item::fetch_all(['courseid' => $courseid]) ?: [];
        $aftermath = new aftermath($items);
        (new raw_grades($this->database, $items, $aftermath))->adjust();
        $this->database->set_field_select('grade_items', 'needsupdate', 0, "courseid = ? AND itemtype <> 'course'", [$courseid]);
        $this->database->set_field('grade_items', 'needsupdate', self::MARK, ['courseid' => $courseid, 'itemtype' => 'course']);
        $transaction->allow_commit();
        $aftermath->settle();
    }
}
