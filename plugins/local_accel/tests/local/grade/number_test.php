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

/**
 * Tests of what becomes of a grade on its way to the database.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(number::class)]
final class number_test extends \basic_testcase {
    /** What MariaDB 10.11 and PostgreSQL 15 both store of a float that Moodle's drivers write. */
    private const STORED = [
        [1 / 3, 0.33333], [2 / 3, 0.66667], [100 / 3, 33.33333], [0.000005, 0.00001], [0.0000049999999, 0.0],
        [0.00001499999999999, 0.00001], [66.666665, 66.66667], [66.6666649999999, 66.66667], [1.000005, 1.00001],
        [1.0000049999999998, 1.00001], [-2.000015, -2.00002], [12345.678905, 12345.67891], [99999.999994, 99999.99999],
        [0.285, 0.285], [33.3333350000001, 33.33334], [0.30000000000000004, 0.3], [5e-12, 0.0], [88.123455, 88.12346],
        [88.1234549999999, 88.12346],
    ];

    public function test_decimals_are_those_that_both_databases_store(): void {
        foreach (self::STORED as [$value, $stored]) {
            $this->assertSame($stored, number::decimal($value), var_export($value, true));
        }
    }

    public function test_the_databases_know_one_zero_only(): void {
        $this->assertSame('0', (string) number::decimal(-0.000004));
        $this->assertSame('-0', (string) number::round(-0.000004));
    }
}
