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

use PHPUnit\Framework\Attributes\CoversClass;

/**
 * Tests of the table of engines.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(ranking::class)]
final class ranking_test extends \basic_testcase {
    public function test_engines_depend_on_the_processor_and_the_size(): void {
        $new = new ranking(true, 80399);
        $old = new ranking(false, 80399);
        $all = [engine_name::NATIVE, engine_name::OPENSSL, engine_name::PHP];
        $withoutlibrary = [engine_name::OPENSSL, engine_name::PHP];
        foreach ([operation::STRING, operation::FILE] as $operation) {
            foreach (algorithm::cases() as $algorithm) {
                $this->assertSame([engine_name::PHP], $new->order($operation, $algorithm, 63));
                $this->assertSame([engine_name::PHP], $old->order($operation, $algorithm, 63));
                $this->assertSame($all, $new->order($operation, $algorithm, 4096));
                $this->assertSame($withoutlibrary, $old->order($operation, $algorithm, 4096));
            }
        }
        $native = [engine_name::NATIVE, engine_name::PHP];
        $this->assertSame([engine_name::PHP], $new->order(operation::STRING, algorithm::SHA1, 255));
        $this->assertSame($native, $new->order(operation::STRING, algorithm::SHA1, 256));
        $this->assertSame($native, $new->order(operation::STRING, algorithm::SHA256, 64));
    }

    public function test_openssl_gets_neither_streams_nor_large_files(): void {
        foreach ([new ranking(true, 80399), new ranking(false, 80399)] as $ranking) {
            foreach (algorithm::cases() as $algorithm) {
                $expected = [engine_name::NATIVE, engine_name::PHP];
                $this->assertContains(engine_name::OPENSSL, $ranking->order(operation::FILE, $algorithm, 4194303));
                $this->assertSame($expected, $ranking->order(operation::FILE, $algorithm, 4194304));
                $this->assertSame($expected, $ranking->order(operation::FILE, $algorithm, PHP_INT_MAX));
                $this->assertSame($expected, $ranking->order(operation::STREAM, $algorithm, 0));
                $this->assertSame($expected, $ranking->order(operation::STREAM, $algorithm, PHP_INT_MAX));
            }
        }
    }

    public function test_php_since_8_4_has_a_fast_sha256_of_its_own(): void {
        $php = [engine_name::PHP];
        foreach ([new ranking(true, 80400), new ranking(false, 80400)] as $ranking) {
            $this->assertSame($php, $ranking->order(operation::STREAM, algorithm::SHA256, 1048576));
            $this->assertSame($php, $ranking->order(operation::FILE, algorithm::SHA256, 4194304));
        }
        $this->assertSame($php, (new ranking(true, 80400))->order(operation::STRING, algorithm::SHA256, 65536));
        $this->assertSame(
            [engine_name::OPENSSL, engine_name::PHP],
            (new ranking(false, 80400))->order(operation::STRING, algorithm::SHA256, 65536),
        );
        foreach (operation::cases() as $operation) {
            foreach ([0, 255, 256, 4095, 4096, 4194304] as $bytes) {
                foreach ([true, false] as $instructions) {
                    $this->assertSame(
                        (new ranking($instructions, 80399))->order($operation, algorithm::SHA1, $bytes),
                        (new ranking($instructions, 80400))->order($operation, algorithm::SHA1, $bytes),
                    );
                }
            }
        }
    }
}
