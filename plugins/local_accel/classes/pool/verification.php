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

namespace local_accel\pool;

use local_accel\local\pool\effort;
use local_accel\local\pool\engine;
use local_accel\local\pool\layout;
use local_accel\local\pool\unavailable;
use local_accel\local\pool\verdict;
use local_accel\local\pool\verifier;

/**
 * A verification of the site's file pool that goes on where it stopped.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class verification {
    /**
     * Make it.
     *
     * @param engine $engine
     * @param files_table $files
     * @param journal $journal
     * @param string $root the pool's folder
     * @param string $trash the folder of deleted objects
     */
    private function __construct(
        /** @var engine Reads the pool. */
        private engine $engine,
        /** @var files_table What the database knows. */
        private files_table $files,
        /** @var journal Keeps the runs. */
        public journal $journal,
        /** @var string The pool's folder. */
        public string $root,
        /** @var string The folder of deleted objects. */
        private string $trash,
    ) {
    }

    /**
     * Return the verification of this site's pool.
     *
     * @param engine $engine
     * @return self
     * @throws \moodle_exception if the site keeps its files elsewhere
     */
    public static function of_site(engine $engine): self {
        global $CFG, $DB;
        $filesystem = get_file_storage()->get_file_system();
        if (!$filesystem instanceof \file_system_filedir) {
            throw new \moodle_exception('pool_elsewhere', 'local_accel', '', get_class($filesystem));
        }
        return new self(
            $engine,
            new files_table($DB, $filesystem),
            \core\di::get(journal::class),
            $CFG->filedir ?? "{$CFG->dataroot}/filedir",
            $CFG->trashdir ?? "{$CFG->dataroot}/trashdir",
        );
    }

    /**
     * Return the name of the engine.
     *
     * @return string
     */
    public function engine_name(): string {
        return $this->engine->name();
    }

    /**
     * Keep other processes from verifying. To be called before a run is looked up or begun.
     *
     * @return \core\lock\lock to be released
     * @throws \moodle_exception if another process is at it
     */
    public function lock(): \core\lock\lock {
        $lock = \core\lock\lock_config::get_lock_factory('local_accel')->get_lock('verify_pool', 0);
        return $lock ?: throw new \moodle_exception('pool_locked', 'local_accel');
    }

    /**
     * Verify the units that are left of a run, and yield the run after each unit, with signs of life between them. The caller holds
     * the {@see lock()}.
     *
     * @param run $run
     * @param effort $effort
     * @param int $grace seconds for which a file without a database row may be an upload that is under way
     * @return \Generator<int, run|progress>
     * @throws \moodle_exception if the pool cannot be verified
     */
    public function go_on(run $run, effort $effort, int $grace): \Generator {
        try {
            $this->require_pool();
            $verifier = new verifier($this->engine, $this->files, $this->root, $this->trash, $grace);
            foreach ($verifier->verify($run->left(), $effort) as $step) {
                if ($step instanceof verdict) {
                    $run = $this->journal->add($run, $step);
                    yield $run;
                } else {
                    yield $step;
                }
            }
        } catch (unavailable $error) {
            throw new \moodle_exception('pool_unavailable', 'local_accel', '', $error->getMessage());
        }
    }

    /**
     * Refuse a pool without a single folder for which the database lists content: it is a disk that is not mounted.
     *
     * @throws \moodle_exception
     */
    private function require_pool(): void {
        $folders = array_filter(@scandir($this->root) ?: [], layout::is_folder(...));
        if (!$folders && $this->files->has_content()) {
            throw new \moodle_exception('pool_empty', 'local_accel', '', $this->root);
        }
    }
}
