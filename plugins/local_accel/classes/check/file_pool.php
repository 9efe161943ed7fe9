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

namespace local_accel\check;

use core\check\result;
use local_accel\local\pool\problem;
use local_accel\pool\journal;
use local_accel\pool\owners;
use local_accel\pool\run;

/**
 * Status check that tells what the last verification of the file pool found.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
class file_pool extends linked_check {
    /** How many findings are shown. */
    private const SHOWN = 20;

    /** How many files of a finding are shown. */
    private const FILES_SHOWN = 3;

    /** After how many intervals without a finished verification the check warns. */
    private const INTERVALS = 2;

    #[\Override]
    public function get_result(): result {
        $journal = \core\di::get(journal::class);
        $run = $journal->last_full();
        if (!$run) {
            return new result(result::INFO, get_string('pool_never', 'local_accel'), get_string('pool_never_details', 'local_accel'));
        }
        $counts = $journal->counts($run);
        $about = (object) [
            'time' => userdate($run->timefinished),
            'files' => $run->files,
            'size' => display_size($run->bytes),
            'findings' => array_sum($counts),
        ];
        if ($counts) {
            $losses = array_filter(
                $counts,
                static fn(string $problem): bool => problem::from($problem)->is_loss(),
                ARRAY_FILTER_USE_KEY,
            );
            return new result(
                $losses ? result::ERROR : result::WARNING,
                get_string('pool_found', 'local_accel', $about),
                $this->describe($journal, $run, $counts),
            );
        }
        $age = \core\di::get(\core\clock::class)->time() - $run->timefinished;
        $old = $age > self::INTERVALS * (int) get_config('local_accel', 'poolinterval');
        return new result(
            $old ? result::WARNING : result::OK,
            get_string($old ? 'pool_old' : 'pool_clean', 'local_accel', $about),
        );
    }

    /**
     * Return the counts, and for those who may configure the site the first findings with the files they are about.
     *
     * @param journal $journal
     * @param run $run
     * @param int[] $counts by problem
     * @return string HTML
     */
    private function describe(journal $journal, run $run, array $counts): string {
        $lines = [];
        foreach ($counts as $problem => $count) {
            $lines[] = s($count . ' ' . get_string("pool_problem_{$problem}", 'local_accel'));
        }
        $html = \html_writer::alist($lines);
        // Names of users' files are not for everybody who may see the status report.
        if (!has_capability('moodle/site:config', \core\context\system::instance())) {
            return $html;
        }
        $owners = \core\di::get(owners::class);
        $lines = [];
        foreach ($journal->findings($run, self::SHOWN) as $finding) {
            $hash = $finding->contenthash();
            $names = array_map(
                static fn(array $file): string => "{$file['filename']} ({$file['component']}, {$file['context']})",
                $hash === null ? [] : $owners->of($hash, self::FILES_SHOWN),
            );
            $problem = get_string("pool_problem_{$finding->problem->value}", 'local_accel');
            $lines[] = s("{$problem}: {$finding->path}" . ($names ? ': ' . implode('; ', $names) : ''));
        }
        return $html . \html_writer::alist($lines) . \html_writer::tag('p', get_string('pool_report', 'local_accel'));
    }
}
