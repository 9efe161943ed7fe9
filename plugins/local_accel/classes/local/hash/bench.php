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
 * Measures what the engines take for content of several sizes.
 *
 * Times are CPU times of the process, user and system, which the load of the machine disturbs less than the clock does.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class bench {
    /** Sizes of strings in bytes. */
    public const STRING_SIZES = [64, 128, 256, 512, 1024, 4096, 16384, 65536, 1048576];

    /** Sizes of files in bytes. */
    public const FILE_SIZES = [1024, 4096, 16384, 65536, 262144, 1048576, 33554432];

    /** Sizes of streams in bytes. */
    public const STREAM_SIZES = [4096, 65536, 1048576, 33554432];

    /**
     * Prepare.
     *
     * @param engine[] $engines by name
     * @param string $folder where files may be made
     * @param int $rounds how often each case is measured
     * @param int $roundbytes how many bytes a round hashes at least, or one content if that is larger
     */
    public function __construct(
        /** @var engine[] The engines by name. */
        private readonly array $engines,
        /** @var string Where files may be made. */
        private readonly string $folder,
        /** @var int How often each case is measured. */
        private readonly int $rounds = 7,
        /** @var int How many bytes a round hashes at least. */
        private readonly int $roundbytes = 4194304,
    ) {
    }

    /**
     * Measure all cases.
     *
     * @return \Generator<measurement>
     */
    public function run(): \Generator {
        foreach (algorithm::cases() as $algorithm) {
            foreach (self::STRING_SIZES as $bytes) {
                yield $this->measure(operation::STRING, $algorithm, $bytes, random_bytes($bytes));
            }
            foreach (self::FILE_SIZES as $bytes) {
                yield from $this->with_file($bytes, fn(string $path) => [
                    $this->measure(operation::FILE, $algorithm, $bytes, $path),
                ]);
            }
            foreach (self::STREAM_SIZES as $bytes) {
                yield from $this->with_file($bytes, fn(string $path) => [
                    $this->measure(operation::STREAM, $algorithm, $bytes, $path),
                ]);
            }
        }
    }

    /**
     * Measure one case with all engines, which take turns.
     *
     * @param operation $operation
     * @param algorithm $algorithm
     * @param int $bytes
     * @param string $subject the string, or the path of the file
     * @return measurement
     */
    private function measure(operation $operation, algorithm $algorithm, int $bytes, string $subject): measurement {
        $calls = max(1, min(20000, intdiv($this->roundbytes, $bytes)));
        $times = [];
        for ($round = 0; $round < $this->rounds; $round++) {
            foreach ($this->engines as $name => $engine) {
                if ($operation !== operation::STREAM || $engine instanceof stream_engine) {
                    $times[$name][] = $this->time($engine, $operation, $algorithm, $subject, $calls);
                }
            }
        }
        return new measurement($operation, $algorithm, $bytes, $times);
    }

    /**
     * Return the CPU time of one call in nanoseconds.
     *
     * @param engine $engine
     * @param operation $operation
     * @param algorithm $algorithm
     * @param string $subject
     * @param int $calls how often to call
     * @return float
     */
    private function time(
        engine $engine,
        operation $operation,
        algorithm $algorithm,
        string $subject,
        int $calls,
    ): float {
        $start = $this->cpu();
        for ($call = 0; $call < $calls; $call++) {
            match ($operation) {
                operation::STRING => $engine->string($algorithm, $subject),
                operation::FILE => $engine->file($algorithm, $subject),
                operation::STREAM => $engine->stream($algorithm, fopen($subject, 'rb')),
            };
        }
        return ($this->cpu() - $start) / $calls;
    }

    /**
     * Return the CPU time of the process in nanoseconds.
     *
     * @return float
     */
    private function cpu(): float {
        $usage = getrusage();
        $seconds = $usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec'];
        return 1e9 * $seconds + 1e3 * ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']);
    }

    /**
     * Have a file of random bytes while something is done.
     *
     * @param int $bytes
     * @param callable $use what to do with its path
     * @return mixed what that returns
     */
    private function with_file(int $bytes, callable $use): mixed {
        $path = tempnam($this->folder, 'accel');
        try {
            file_put_contents($path, random_bytes($bytes));
            return $use($path);
        } finally {
            unlink($path);
        }
    }
}
