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

/**
 * Shows how far a verification is: a bar on a terminal, elsewhere a line for each tenth.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class progress_line {
    /** How wide the bar is, in characters. */
    private const WIDTH = 30;

    /** @var float When this process began. */
    private readonly float $start;

    /** @var int How many tenths were told. */
    private int $tenths;

    /** @var run The run as it is. */
    private run $run;

    /**
     * Make a line.
     *
     * @param resource $stream where to write
     * @param bool $terminal whether a line can be written over
     * @param run $begun the run as this process found it
     */
    public function __construct(
        /** @var resource Where to write. */
        private readonly mixed $stream,
        /** @var bool Whether a line can be written over. */
        private readonly bool $terminal,
        /** @var run The run as this process found it. */
        private readonly run $begun,
    ) {
        $this->start = microtime(true);
        $this->run = $begun;
        $this->tenths = intdiv(10 * $begun->done, count($begun->units));
    }

    /**
     * Tell that a unit is verified.
     *
     * @param run $run
     */
    public function unit(run $run): void {
        $this->run = $run;
        $this->show($run->bytes);
    }

    /**
     * Tell how many bytes this process has read.
     *
     * @param int $read
     */
    public function bytes(int $read): void {
        $this->show(max($this->run->bytes, $this->begun->bytes + $read));
    }

    /**
     * Leave the terminal as it was.
     */
    public function end(): void {
        if ($this->terminal) {
            fwrite($this->stream, "\r\e[K");
        }
    }

    /**
     * Write the line.
     *
     * @param int $bytes how many bytes the run has come to
     */
    private function show(int $bytes): void {
        $done = $this->run->done / count($this->run->units);
        $tenths = (int) (10 * $done);
        if (!$this->terminal && $tenths === $this->tenths) {
            return;
        }
        $this->tenths = $tenths;
        $seconds = max(microtime(true) - $this->start, 0.001);
        $here = ($this->run->done - $this->begun->done) / count($this->run->units);
        $text = get_string('pool_progress', 'local_accel', (object) [
            'percent' => format_float(100 * $done, 1),
            'size' => display_size($bytes),
            'rate' => display_size((int) (($bytes - $this->begun->bytes) / $seconds)),
            'left' => $here > 0 ? format_time((int) ceil((1 - $done) * $seconds / $here)) : '?',
        ]);
        if ($this->terminal) {
            $bar = str_pad(str_repeat('#', (int) (self::WIDTH * $done)), self::WIDTH, '.');
            fwrite($this->stream, "\r[{$bar}] {$text}\e[K");
        } else {
            fwrite($this->stream, "{$text}\n");
        }
    }
}
