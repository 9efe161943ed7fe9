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

use local_accel\local\pool\finding;
use local_accel\local\pool\layout;
use local_accel\local\pool\problem;

/**
 * Tells a person or a program what a run found, with the files of the site that it is about.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class report {
    /** How many files of one object are named. */
    private const FILES = 20;

    /**
     * Make a report.
     *
     * @param verification $verification
     * @param run $run
     * @param owners $owners
     */
    public function __construct(
        /** @var verification The verification. */
        private verification $verification,
        /** @var run The run. */
        private run $run,
        /** @var owners Finds the files. */
        private owners $owners,
    ) {
    }

    /**
     * Write a JSON object, a finding at a time.
     *
     * @param resource $stream
     */
    public function write_json($stream): void {
        $counts = $this->verification->journal->counts($this->run);
        $head = $this->encode([
            'pool' => $this->verification->root,
            'engine' => $this->verification->engine_name(),
            'units' => layout::format_units($this->run->units),
            'done' => $this->run->done,
            'finished' => $this->run->timefinished !== null,
            'files' => $this->run->files,
            'bytes' => $this->run->bytes,
            'timestarted' => $this->run->timestarted,
            'timefinished' => $this->run->timefinished,
            'counts' => (object) $counts,
        ]);
        fwrite($stream, substr($head, 0, -1) . ',"findings":[');
        $separator = "\n";
        foreach ($this->findings() as [$finding, $files]) {
            fwrite($stream, $separator . $this->encode([
                'problem' => $finding->problem->value,
                'path' => $finding->path,
                'detail' => $finding->detail,
                'files' => $files,
            ]));
            $separator = ",\n";
        }
        fwrite($stream, "]}\n");
    }

    /**
     * Write text.
     *
     * @param resource $stream
     */
    public function write_text($stream): void {
        foreach ($this->findings() as [$finding, $files]) {
            $problem = get_string("pool_problem_{$finding->problem->value}", 'local_accel');
            fwrite($stream, "{$finding->path}: {$problem}" . $this->detail($finding) . "\n");
            foreach ($files as $file) {
                fwrite($stream, "    {$file['component']} {$file['filearea']} {$file['itemid']} "
                    . "{$file['filepath']}{$file['filename']}: {$file['context']} {$file['url']}\n");
            }
        }
        $counts = $this->verification->journal->counts($this->run);
        fwrite($stream, get_string('pool_state', 'local_accel', (object) [
            'done' => $this->run->done,
            'units' => count($this->run->units),
            'files' => $this->run->files,
            'size' => display_size($this->run->bytes),
            'findings' => array_sum($counts),
        ]) . "\n");
    }

    /**
     * Yield each finding with the files that it is about.
     *
     * @return \Generator<int, array{finding, array[]}>
     */
    private function findings(): \Generator {
        foreach ($this->verification->journal->findings($this->run) as $finding) {
            $hash = $finding->contenthash();
            yield [$finding, $hash === null ? [] : $this->owners->of($hash, self::FILES)];
        }
    }

    /**
     * Return what there is to add to a finding, in parentheses.
     *
     * @param finding $finding
     * @return string
     */
    private function detail(finding $finding): string {
        $detail = match ($finding->problem) {
            problem::MISSING => $finding->detail === finding::IN_TRASH ? get_string('pool_intrash', 'local_accel') : '',
            problem::CORRUPT => get_string('pool_actual', 'local_accel', $finding->detail),
            problem::MISPLACED => get_string('pool_expected', 'local_accel', $finding->detail),
            problem::WRONG_SIZE => get_string('pool_listedsize', 'local_accel', $finding->detail),
            default => $finding->detail,
        };
        return $detail === '' ? '' : " ({$detail})";
    }

    /**
     * Return a value as JSON on one line.
     *
     * @param array $value
     * @return string
     */
    private function encode(array $value): string {
        return json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
    }
}
