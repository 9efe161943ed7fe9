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
 * Tests of Moodle's formula language; formula_fuzz.php compares with Moodle itself.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(formula::class)]
#[CoversClass(parser::class)]
#[CoversClass(interpreter::class)]
final class formula_test extends \basic_testcase {
    /**
     * Evaluate a calculation without variables.
     *
     * @param string $calculation
     * @return float|false
     */
    private function evaluate(string $calculation): float|false {
        return (new php_engine())->evaluate(formula::compile($calculation, []), [], 1)[0];
    }

    public function test_a_stored_calculation_names_items_between_number_signs(): void {
        $formula = formula::compile('= ##gi12## + MAX(##gi3##, 2)', ['gi3', 'gi12']);
        $this->assertSame([3.0, 13.0], (new php_engine())->evaluate($formula, [[null, 9.0], [1.0, 4.0]], 2));
    }

    public function test_comparisons_bind_tightest_and_a_written_zero_with_a_point_is_true(): void {
        $this->assertSame(1.0, $this->evaluate('=1+2>2'));
        $this->assertSame(4.0, $this->evaluate('=2>-3*4'));
        $this->assertSame(-4.0, $this->evaluate('=-2^2'));
        $this->assertSame(512.0, $this->evaluate('=2^3^2'));
        $this->assertSame(1.0, $this->evaluate('=if(0.0,1,2)'));
        $this->assertSame(2.0, $this->evaluate('=if(0.0+0,1,2)'));
        $this->assertSame(1.0, $this->evaluate('=9007199254740993-9007199254740992'));
    }

    public function test_a_division_by_zero_and_a_name_without_value_fail(): void {
        $this->assertFalse($this->evaluate('=1/0'));
        $this->assertFalse($this->evaluate('=gi1+1'));
        $this->assertFalse($this->evaluate('=2e'));
    }

    public function test_where_moodle_stops_the_engine_says_so_unless_the_user_is_passed_over_or_has_failed_before(): void {
        $formula = formula::compile('=1/gi1+1%gi2', ['gi1', 'gi2']);
        $columns = [[0.0, 1.0, 2.0], [0.0, 0.0, 3.0]];
        $this->assertSame([false, false, 1.5], (new php_engine())->evaluate($formula, $columns, 3, "\1\0\1"));
        $this->expectException(formula_error::class);
        (new php_engine())->evaluate($formula, $columns, 3);
    }

    public function test_what_moodle_rejects_and_chance_are_refused_with_the_place(): void {
        $calculations = ['1', '=', '=1 2', '=2(3)', '=1+', '=(1', '=1)', '=max()', '=sin()', '=sin(1,2)', '=pi(-)', '=f(1)', '=1=1',
            '=gi1;2', '=_1', '=é', '=[[quiz]]', '=rand_int(1,2)', '=rand_float()'];
        foreach ($calculations as $calculation) {
            try {
                formula::compile($calculation, ['gi1']);
                $this->fail("$calculation is accepted");
            } catch (formula_error $error) {
                $this->assertMatchesRegularExpression('/at character \d+$|equals sign$/', $error->getMessage());
            }
        }
    }
}
