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
 * Which engine is the fastest for content of a size, as measured by cli/bench.php and its forerunner.
 *
 * The tables are of PHP 8.2 and OpenSSL 3.0: CPU time of a call, medians of 7 rounds.
 * - With SHA instructions: an AMD EPYC. SHA-256 of files was measured at 256 MB only, its small sizes are those of SHA-1.
 * - Without: an Intel Xeon at 2.5 GHz. The library's code is about as fast as PHP's there, OpenSSL's twice as fast.
 * - SHA-256 since PHP 8.4, which has code for SHA instructions and for SSE2 of its own: PHP 8.4 with OpenSSL 3.5 on the
 *   same Xeon, where PHP's code is faster than the library's. With SHA instructions it was not measured: PHP is trusted.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class ranking {
    /** Files of this size in bytes and larger ones are not given to OpenSSL, which wants all of them in memory. */
    private const TOO_LARGE_FOR_MEMORY = 4194304;

    /** The engines from the fastest to the slowest, from a size in bytes on, on a processor with SHA instructions. */
    private const WITH_INSTRUCTIONS = [
        'string' => [
            'sha1' => [0 => ['php'], 256 => ['native', 'php'], 1024 => ['native', 'openssl', 'php']],
            'sha256' => [0 => ['php'], 64 => ['native', 'php'], 256 => ['native', 'openssl', 'php']],
        ],
        'file' => [
            'sha1' => [0 => ['php'], 4096 => ['native', 'openssl', 'php'], self::TOO_LARGE_FOR_MEMORY => ['native', 'php']],
            'sha256' => [0 => ['php'], 4096 => ['native', 'openssl', 'php'], self::TOO_LARGE_FOR_MEMORY => ['native', 'php']],
        ],
        'stream' => [
            'sha1' => [0 => ['native', 'php']],
            'sha256' => [0 => ['native', 'php']],
        ],
    ];

    /** The same on a processor without them, and where it is not known, since the library is not loaded. */
    private const WITHOUT_INSTRUCTIONS = [
        'string' => [
            'sha1' => [0 => ['php'], 1024 => ['openssl', 'php']],
            'sha256' => [0 => ['php'], 256 => ['openssl', 'php']],
        ],
        'file' => [
            'sha1' => [0 => ['php'], 1024 => ['openssl', 'php'], self::TOO_LARGE_FOR_MEMORY => ['native', 'php']],
            'sha256' => [0 => ['php'], 1024 => ['openssl', 'php'], self::TOO_LARGE_FOR_MEMORY => ['native', 'php']],
        ],
        'stream' => [
            'sha1' => [0 => ['native', 'php']],
            'sha256' => [0 => ['native', 'php']],
        ],
    ];

    /** SHA-256 since PHP 8.4, on a processor with SHA instructions. */
    private const SHA256_WITH_INSTRUCTIONS = [
        'string' => [0 => ['php']],
        'file' => [0 => ['php']],
        'stream' => [0 => ['php']],
    ];

    /** SHA-256 since PHP 8.4, on a processor without them, and where it is not known. */
    private const SHA256_WITHOUT_INSTRUCTIONS = [
        'string' => [0 => ['php'], 512 => ['openssl', 'php']],
        'file' => [0 => ['php'], 4096 => ['openssl', 'php'], self::TOO_LARGE_FOR_MEMORY => ['php']],
        'stream' => [0 => ['php']],
    ];

    /**
     * Rank for a processor and a PHP.
     *
     * @param bool $instructions whether the processor is known to have instructions for SHA-1 and SHA-256
     * @param int $phpversion as PHP_VERSION_ID has it
     */
    public function __construct(
        /** @var bool Whether the processor is known to have instructions for SHA-1 and SHA-256. */
        private bool $instructions,
        /** @var int The version of PHP, as PHP_VERSION_ID has it. */
        private int $phpversion = PHP_VERSION_ID,
    ) {
    }

    /**
     * Return the engines to try, the fastest first. PHP's own is always among them.
     *
     * @param operation $operation
     * @param algorithm $algorithm
     * @param int $bytes the size of the content
     * @return engine_name[]
     */
    public function order(operation $operation, algorithm $algorithm, int $bytes): array {
        $order = [];
        foreach ($this->rows($operation, $algorithm) as $from => $names) {
            if ($bytes < $from) {
                break;
            }
            $order = $names;
        }
        return array_map(engine_name::from(...), $order);
    }

    /**
     * Return the rows that hold here, by the size from which on they do.
     *
     * @param operation $operation
     * @param algorithm $algorithm
     * @return string[][]
     */
    private function rows(operation $operation, algorithm $algorithm): array {
        if ($algorithm === algorithm::SHA256 && $this->phpversion >= 80400) {
            $table = $this->instructions ? self::SHA256_WITH_INSTRUCTIONS : self::SHA256_WITHOUT_INSTRUCTIONS;
            return $table[$operation->value];
        }
        $table = $this->instructions ? self::WITH_INSTRUCTIONS : self::WITHOUT_INSTRUCTIONS;
        return $table[$operation->value][$algorithm->value];
    }
}
