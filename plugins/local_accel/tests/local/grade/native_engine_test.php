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

namespace local_accel\local\grade;

use PHPUnit\Framework\Attributes\CoversClass;
use Random\Engine\Mt19937;
use Random\Randomizer;
use local_accel\local\native;
use local_accel\tests\built_library;

require_once(__DIR__ . '/engine_testcase.php');

/**
 * Tests of the engine in Rust. ACCEL_LIBRARY names the library; without it they are skipped.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(native_engine::class)]
#[CoversClass(native\grade::class)]
final class native_engine_test extends engine_testcase {
    /** @var native\handle|null The library, once it is loaded. */
    private static ?native\handle $handle = null;

    #[\Override]
    protected function engine(): engine {
        return new native_engine($this->kernels());
    }

    /**
     * Return the library's kernels, or skip the test.
     *
     * @return native\grade
     */
    private function kernels(): native\grade {
        // One for all tests: see native\handle.
        self::$handle ??= new native\handle(
            \FFI::cdef(file_get_contents(dirname(__DIR__, 3) . '/native/accel.h'), built_library::path()),
        );
        return new native\grade(self::$handle);
    }

    public function test_columns_that_do_not_fit_are_an_error_that_names_them(): void {
        $kernels = $this->kernels();
        $category = ['min' => 0.0, 'max' => 1.0, 'headroom' => 1.0, 'method' => 13, 'php_version' => PHP_VERSION_ID];
        $item = pack('d5', 0, 1, 0, 1, 0);
        $cell = pack('d', 1);
        $good = [$item, $cell, "\1", $cell, $cell, "\1"];
        // The number of users is that of the active ones, so one too many makes the grades too few.
        foreach (['items', 'grades', 'flags', 'minima', 'maxima', 'grades'] as $i => $column) {
            $bad = $good;
            $bad[$i] .= "\0";
            try {
                $kernels->aggregate($category, ...$bad);
                $this->fail("$column that do not fit are accepted");
            } catch (native\native_error $error) {
                $this->assertStringContainsString($column, $error->getMessage());
            }
        }
        try {
            $kernels->aggregate(['method' => 1] + $category, ...$good);
            $this->fail('an unknown method is accepted');
        } catch (native\native_error $error) {
            $this->assertStringContainsString('1 is not the code of an aggregation method', $error->getMessage());
        }
        $this->assertSame(1.0, unpack('d', $kernels->aggregate($category, ...$good)[0])[1]);
    }

    public function test_rust_evaluates_what_it_can_and_leaves_the_rest_to_php(): void {
        $kernels = $this->kernels();
        $evaluate = static fn(string $calculation): ?array =>
            $kernels->evaluate($calculation, ['gi1'], PHP_VERSION_ID, pack('d', 3.0), "\1");
        $this->assertSame([pack('d', 9.0), "\0"], $evaluate('=gi1^2'));
        $this->assertSame("\1", $evaluate('=1/(gi1-3)')[1]);
        $this->assertNull($evaluate('=asinh(gi1)'));
        $this->assertNull($evaluate('=gi1%0'));
        $this->assertNull($evaluate('=gi1+'));
    }

    public function test_random_batches_aggregate_as_in_php_to_the_last_bit(): void {
        $engine = $this->engine();
        $php = new php_engine();
        for ($seed = 1; $seed <= 3000; $seed++) {
            [$category, $items, $batch, $carry] = $this->random_batch(new Randomizer(new Mt19937($seed)));
            // Serialised, as that tells the two zeros apart.
            $this->assertSame(
                serialize($php->aggregate($category, $items, $batch, $carry)),
                serialize($engine->aggregate($category, $items, $batch, $carry)),
                "seed $seed",
            );
        }
    }

    /**
     * Draw a batch with many ties, empty and excluded grades, grades without a row and users who are passed over.
     *
     * @param Randomizer $random
     * @return array{category, list<item>, batch, carry}
     */
    private function random_batch(Randomizer $random): array {
        $pick = static fn(array $values): mixed => $values[$random->getInt(0, count($values) - 1)];
        $chance = static fn(int $percent): bool => $random->getInt(1, 100) <= $percent;
        $users = $random->getInt(0, 8);
        $count = $random->getInt(0, 12);
        $category = new category(
            method: $pick([0, 2, 4, 6, 8, 10, 11, 12, 13, 13, 13]),
            droplow: $pick([0, 0, 1, 3]),
            keephigh: $pick([0, 0, 1, 4]),
            onlygraded: $chance(50),
            scale: $chance(20),
            headroom: $pick([1.0, 1.0, 10.0]),
            legacyextracredit: $chance(30),
            limits: $chance(70),
        );
        $items = $grades = $flags = $minima = $maxima = [];
        for ($i = 0; $i < $count; $i++) {
            $min = $pick([0.0, 0.0, 1.0, -10.0]);
            $max = $pick([100.0, 10.0, 33.33333, 1.0, 0.0]);
            $items[] = new item($min, $max, $pick([0.0, 0.0, 1.0, 2.5, -1.0]), $pick([0.0, 0.2, 0.33333]), $chance(30));
            $column = [[], '', [], []];
            for ($u = 0; $u < $users; $u++) {
                $points = $max * $pick([0.0, 1 / 3, 0.5, 1.0, 1.2]) * (1 + $pick([-1, 0, 0, 1]) * PHP_FLOAT_EPSILON);
                $column[0][] = $chance(15) ? null : $points;
                $column[1] .= chr(($chance(90) ? batch::ROW : 0) | ($chance(5) ? batch::EXCLUDED : 0));
                $column[2][] = $min;
                $column[3][] = $chance(80) ? $max : $max + 1;
            }
            [$grades[], $flags[], $minima[], $maxima[]] = $column;
        }
        $active = '';
        for ($u = 0; $u < $users; $u++) {
            $active .= $chance(90) ? "\1" : "\0";
        }
        return [$category, $items, new batch($users, $grades, $flags, $minima, $maxima, $active),
            new carry(...$pick([[0.0, 100.0], [0.0, 0.0], [1.0, 5.0], [5.0, 20.0]]))];
    }
}
