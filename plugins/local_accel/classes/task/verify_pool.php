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

use core\task\scheduled_task;
use local_accel\local\pool\effort;
use local_accel\local\pool\layout;
use local_accel\engines;
use local_accel\pool\journal;
use local_accel\pool\run;
use local_accel\pool\verification;

/**
 * Verifies the file pool, a part at a time: it goes on at its next run.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class verify_pool extends scheduled_task {
    #[\Override]
    public function get_name() {
        return get_string('taskverify_pool', 'local_accel');
    }

    #[\Override]
    public function execute() {
        $verification = verification::of_site(engines::pool('auto'));
        $journal = $verification->journal;
        $lock = $verification->lock();
        try {
            $this->verify($verification, $journal);
        } finally {
            $lock->release();
        }
    }

    /**
     * Go on with the run that was not finished, or begin one if it is due. At least one folder is finished, however long it takes.
     *
     * @param verification $verification
     * @param journal $journal
     */
    private function verify(verification $verification, journal $journal): void {
        $clock = \core\di::get(\core\clock::class);
        $config = get_config('local_accel');
        $run = $journal->unfinished();
        if (!$run) {
            $next = ($journal->last_full()?->timefinished ?? 0) + (int) $config->poolinterval;
            if ($clock->time() < $next) {
                mtrace(get_string('pool_notdue', 'local_accel', userdate($next)));
                return;
            }
            $run = $journal->begin(layout::units());
        }
        $end = $clock->time() + (int) $config->poolduration;
        $effort = new effort((int) $config->poolthreads, 1048576 * (int) $config->poolrate);
        foreach ($verification->go_on($run, $effort, (int) $config->poolgrace) as $step) {
            if ($step instanceof run) {
                $run = $step;
                if ($clock->time() >= $end) {
                    break;
                }
            }
        }
        mtrace(get_string('pool_state', 'local_accel', (object) [
            'done' => $run->done,
            'units' => count($run->units),
            'files' => $run->files,
            'size' => display_size($run->bytes),
            'findings' => array_sum($journal->counts($run)),
        ]));
    }
}
