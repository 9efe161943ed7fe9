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

namespace local_accel\local\hash;

/**
 * What each engine took for one kind of content.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class measurement {
    /**
     * Hold times.
     *
     * @param operation $operation
     * @param algorithm $algorithm
     * @param int $bytes the size of the content
     * @param float[][] $times nanoseconds of CPU time of one call in each round, by engine
     */
    public function __construct(
        /** @var operation What the digest was taken of. */
        public operation $operation,
        /** @var algorithm Which digest was taken. */
        public algorithm $algorithm,
        /** @var int The size of the content. */
        public int $bytes,
        /** @var float[][] Nanoseconds of CPU time of one call in each round, by engine. */
        public array $times,
    ) {
    }

    /**
     * Return the median time of an engine.
     *
     * @param string $engine
     * @return float nanoseconds
     */
    public function median(string $engine): float {
        $times = $this->times[$engine];
        sort($times);
        $middle = intdiv(count($times), 2);
        return count($times) % 2 === 1 ? $times[$middle] : ($times[$middle - 1] + $times[$middle]) / 2;
    }

    /**
     * Return the measurement as a report has it.
     *
     * @return array
     */
    public function export(): array {
        $engines = [];
        foreach ($this->times as $engine => $times) {
            $engines[$engine] = [
                'median_ns' => round($this->median($engine)),
                'min_ns' => round(min($times)),
                'max_ns' => round(max($times)),
            ];
        }
        return [
            'operation' => $this->operation->value,
            'algorithm' => $this->algorithm->value,
            'bytes' => $this->bytes,
            'engines' => $engines,
        ];
    }
}
