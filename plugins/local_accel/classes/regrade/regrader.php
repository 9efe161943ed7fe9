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
use local_accel\local\grade\php_engine;
use local_accel\local\native\native_error;

/**
 * Regrades whole courses: as grade_regrade_final_grades() does, with the same rows, but many at a time.
 *
 * All totals of a course are written in one transaction under a lock of the course. Rows are read without a lock. Whoever
 * changes a grade meanwhile marks the course for another regrade, as always in Moodle, and that mark is kept: the regrade
 * clears only the mark that it has made its own before it read. Where Moodle makes no mark, a fingerprint of the grades tells
 * that they have changed. Rows that it overwrites are locked and compared first.
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
    private const ATTEMPTS = 10;

    /** @var int How often a course is regraded when its grades changed meanwhile; then it stays marked. */
    private const ROUNDS = 3;

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
            $outcome = new outcome('');
            for ($round = 0; $round < self::ROUNDS && grade_needs_regrade_final_grades($courseid); $round++) {
                $outcome = $this->in_bulk($courseid, $progress);
            }
            return $outcome;
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
        $engine = $this->engine;
        $prepared = false;
        for ($attempt = 1; $attempt <= self::ATTEMPTS; $attempt++) {
            try {
                if (!$prepared) {
                    $this->prepare($courseid);
                    $prepared = true;
                }
                $aftermath = $this->write_totals($courseid, $engine, $progress);
                $aftermath->settle();
                return new outcome($engine->name(), $aftermath->users, $aftermath->insertions, $aftermath->updates, $attempt);
            } catch (native_error $error) {
                debugging("local_accel: the native library failed, PHP does it: {$error->getMessage()}");
                $engine = new php_engine();
            } catch (conflict) {
                usleep(random_int(10000, 100000) * $attempt);
            } catch (left_to_core $left) {
                $left->attempts = $attempt;
                throw $left;
            }
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
     * Compute and write the totals of a course.
     *
     * @param int $courseid
     * @param engine $engine
     * @param progress $progress
     * @return aftermath what is to be done now that all is committed
     * @throws left_to_core
     * @throws conflict if others were in the way; nothing is written then
     * @throws native_error if the native library failed; nothing is written then
     */
    private function write_totals(int $courseid, engine $engine, progress $progress): aftermath {
        $begun = false;
        $transaction = $this->database->start_delegated_transaction();
        try {
            $plan = new plan($courseid);
            $aftermath = new aftermath($plan->items);
            $store = new store($this->database, $plan, time(), $aftermath);
            $fingerprint = $store->fingerprint();
            $users = $store->users();
            $aftermath->users = count($users);
            $chunks = array_chunk($users, max(1, intdiv(self::ROWS, count($plan->items))));
            $progress->start_progress(get_string('recalculatinggrades', 'grades'), max(1, count($chunks)));
            $begun = true;
            foreach ($chunks as $done => $chunk) {
                $progress->progress($done);
                $sheet = $store->read($chunk, count($chunks) === 1);
                foreach ($plan->steps as $step) {
                    $step->apply($sheet, $engine);
                }
                $store->write($sheet);
            }
            $mark = ['courseid' => $courseid, 'itemtype' => 'course', 'needsupdate' => self::MARK];
            $this->database->set_field('grade_items', 'needsupdate', 0, $mark);
            $transaction->allow_commit();
        } catch (\Throwable $error) {
            throw $this->rolled_back($error);
        } finally {
            if ($begun) {
                $progress->end_progress();
            }
        }
        // Now that the mark is gone: who wrote before saw it and said nothing, and whoever writes from now on sees none.
        if ($store->fingerprint() !== $fingerprint) {
            $this->database->set_field('grade_items', 'needsupdate', 1, ['courseid' => $courseid, 'itemtype' => 'course']);
        }
        return $aftermath;
    }

    /**
     * Undo what was written since the transaction began.
     *
     * @param \Throwable $error why
     * @return \Throwable the same, or a conflict if another transaction was in the way
     */
    private function rolled_back(\Throwable $error): \Throwable {
        $this->database->force_transaction_rollback();
        if (!$error instanceof \dml_exception || $error instanceof \dml_connection_exception) {
            return $error;
        }
        // PostgreSQL says it in the language of its server.
        $intheway = $this->database->get_dbfamily() === 'postgres' || preg_match(self::IN_THE_WAY, $error->error ?? $error->getMessage());
        return $intheway ? new conflict($error->getMessage(), previous: $error) : $error;
    }

    /**
     * Bring up to date what totals are computed from: automatic weights and maxima, and final grades that follow from raw ones.
     *
     * Items then need no update any more, only the course does, until its totals are written. So whoever changes a grade from now
     * on marks item and course: Moodle leaves a mark out where the item has one. Raw grades are adjusted first without a lock, as
     * Moodle does it, and what has come meanwhile under the lock of the items.
     *
     * @param int $courseid
     */
    private function prepare(int $courseid): void {
        try {
            $items = \grade_item::fetch_all(['courseid' => $courseid]) ?: [];
            $aftermath = new aftermath($items);
            (new raw_grades($this->database, $items, $aftermath))->adjust();
            $transaction = $this->database->start_delegated_transaction();
            $this->database->get_records_sql('SELECT id FROM {grade_items} WHERE courseid = ? FOR UPDATE', [$courseid]);
            $categories = \grade_category::fetch_all(['courseid' => $courseid]) ?: [];
            usort($categories, static fn(\grade_category $one, \grade_category $other): int => $other->depth <=> $one->depth);
            foreach ($categories as $category) {
                $category->pre_regrade_final_grades();
            }
            $items = \grade_item::fetch_all(['courseid' => $courseid]) ?: [];
            (new raw_grades($this->database, $items, $aftermath))->adjust();
            $this->database->set_field_select('grade_items', 'needsupdate', 0, "courseid = ? AND itemtype <> 'course'", [$courseid]);
            $this->database->set_field('grade_items', 'needsupdate', self::MARK, ['courseid' => $courseid, 'itemtype' => 'course']);
            $transaction->allow_commit();
        } catch (\Throwable $error) {
            throw $this->rolled_back($error);
        }
        $aftermath->settle();
        \grade_grade::check_locktime_all(array_keys($items));
    }
}
