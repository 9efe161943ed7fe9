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

namespace local_accel\local\pool;

use local_accel\local\native\native_error;
use local_accel\local\native\pool;

/**
 * Reads a pool with the native library: many files at a time, on many threads.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class native_engine implements engine {
    /** How many milliseconds may pass between two signs of life. */
    private const SILENCE = 500;

    /** How many bytes an object has in what the library returns. */
    private const OBJECT = 28;

    /**
     * Make an engine.
     *
     * @param pool $pool
     */
    public function __construct(
        /** @var pool The library's part. */
        private pool $pool,
    ) {
    }

    #[\Override]
    public function name(): string {
        return 'native';
    }

    #[\Override]
    public function scan(string $root, array $units, effort $effort): \Generator {
        try {
            $steps = $this->pool->verify($root, $units, $effort->threads, $effort->bytespersecond, self::SILENCE);
            foreach ($steps as $step) {
                if (is_int($step)) {
                    yield new progress($step);
                } else {
                    [$unit, $files, $bytes, $vanished, $objects, $findings] = $step;
                    yield new contents($unit, $this->objects($objects), $files, $bytes, $vanished, $this->findings($findings));
                }
            }
        } catch (native_error $error) {
            throw new unavailable($error->getMessage(), 0, $error);
        }
    }

    /**
     * Return objects as the library wrote them.
     *
     * @param string $packed
     * @return int[] sizes by hash
     */
    private function objects(string $packed): array {
        $objects = [];
        for ($offset = 0; $offset < strlen($packed); $offset += self::OBJECT) {
            $objects[bin2hex(substr($packed, $offset, 20))] = unpack('P', $packed, $offset + 20)[1];
        }
        return $objects;
    }

    /**
     * Return findings as the library wrote them.
     *
     * @param string $packed
     * @return finding[] in the order of {@see finding::compare()}
     */
    private function findings(string $packed): array {
        $findings = [];
        foreach (array_chunk(explode("\0", $packed, -1), 3) as [$problem, $path, $detail]) {
            $findings[] = new finding(problem::from($problem), $path, $detail);
        }
        // The library orders paths by their parts.
        usort($findings, static fn(finding $one, finding $other): int => $one->compare($other));
        return $findings;
    }
}
