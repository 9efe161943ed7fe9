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

namespace local_accel\local\native;

/**
 * Verification of a file pool by the native library.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class pool {
    /** The numbers of AccelPoolState in native/accel.h. */
    private const WORKING = 1;

    /** A unit is ready to be taken. */
    private const READY = 2;

    /**
     * Make it.
     *
     * @param handle $handle the library
     */
    public function __construct(
        /** @var handle The library. */
        private readonly handle $handle,
    ) {
    }

    /**
     * Verify units of a pool, in their order. No thread of the library runs while the generator waits.
     *
     * Yields the number of bytes read so far, or for each unit an array of unit, files, bytes, vanished, objects (28 bytes
     * each: hash, and size as 8 bytes, the lowest first) and findings (three texts each, all ending in a 0 byte).
     *
     * @param string $root the pool's folder
     * @param int[] $units 0 to 255 for a top folder, 256 for the root
     * @param int $threads
     * @param int $bytespersecond 0 for no limit
     * @param int $milliseconds after how much work to yield at the latest
     * @return \Generator<int, int|array>
     * @throws native_error
     */
    public function verify(string $root, array $units, int $threads, int $bytespersecond, int $milliseconds): \Generator {
        $ffi = $this->handle->ffi;
        $numbers = $ffi->new('uint16_t[' . max(1, count($units)) . ']');
        foreach (array_values($units) as $index => $unit) {
            $numbers[$index] = $unit;
        }
        $pool = $ffi->new('AccelPool *');
        $this->handle->check($ffi->accel_pool_open(
            $root,
            strlen($root),
            $numbers,
            count($units),
            $threads,
            $bytespersecond,
            \FFI::addr($pool),
        ));
        try {
            $progress = $ffi->new('AccelPoolProgress');
            do {
                $this->handle->check($ffi->accel_pool_advance($pool, $milliseconds, \FFI::addr($progress)));
                if ($progress->state === self::READY) {
                    yield [$progress->unit, $progress->unit_files, $progress->unit_bytes, $progress->unit_vanished]
                        + $this->take($pool, $progress->unit_objects_length, $progress->unit_findings_length);
                } else if ($progress->state === self::WORKING) {
                    yield $progress->bytes_read;
                }
            } while ($progress->state === self::READY || $progress->state === self::WORKING);
        } finally {
            $ffi->accel_pool_free($pool);
        }
    }

    /**
     * Return the objects and findings of the unit that is ready.
     *
     * @param \FFI\CData $pool
     * @param int $objectslength
     * @param int $findingslength
     * @return array{4: string, 5: string}
     */
    private function take(\FFI\CData $pool, int $objectslength, int $findingslength): array {
        $ffi = $this->handle->ffi;
        $objects = $ffi->new('char[' . max(1, $objectslength) . ']');
        $findings = $ffi->new('char[' . max(1, $findingslength) . ']');
        $this->handle->check($ffi->accel_pool_take($pool, $objects, $objectslength, $findings, $findingslength));
        return [4 => \FFI::string($objects, $objectslength), 5 => \FFI::string($findings, $findingslength)];
    }
}
