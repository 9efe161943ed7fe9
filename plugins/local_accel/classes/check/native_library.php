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
use local_accel\local\hash\algorithm;
use local_accel\local\hash\fastest_hasher;
use local_accel\local\hash\operation;
use local_accel\local\native\loader;
use local_accel\local\native\refusal;
use local_accel\refusal_report;

/**
 * Status check that tells which engine is on where the check runs, a web page or the command line, and why not the other.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
class native_library extends linked_check {
    /** The size of the content for which the engine of digests is told, in bytes. */
    private const LARGE_BYTES = 16777216;

    #[\Override]
    public function get_result(): result {
        $loader = \core\di::get(loader::class);
        $outcome = $loader->load();
        if ($outcome->handle !== null) {
            return new result(
                result::OK,
                get_string('library_loaded', 'local_accel', $outcome->handle->version()),
                $this->engines($loader),
            );
        }
        $report = new refusal_report($outcome, $loader->library);
        $harmless = $outcome->refusal === refusal::DISABLED ? result::OK : result::INFO;
        return new result(
            $report->is_fault() ? result::WARNING : $harmless,
            $report->summary(),
            s($report->details()) . $this->engines($loader),
        );
    }

    /**
     * Say as HTML which engine computes digests of large content.
     *
     * @param loader $loader
     * @return string
     */
    private function engines(loader $loader): string {
        $hasher = fastest_hasher::from($loader);
        $items = [];
        foreach (operation::cases() as $operation) {
            foreach (algorithm::cases() as $algorithm) {
                $engine = $hasher->choose($operation, $algorithm, self::LARGE_BYTES);
                $items[] = get_string('engine_of', 'local_accel', [
                    'algorithm' => strtoupper($algorithm->value),
                    'engine' => get_string('engine_' . $engine->value, 'local_accel'),
                    'operation' => get_string('operation_' . $operation->value, 'local_accel'),
                ]);
            }
        }
        return \html_writer::alist($items);
    }
}
