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

/**
 * What holds for every engine: it gives what Moodle's own code gave. The README of crates/accel says how that was recorded.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
abstract class engine_testcase extends \basic_testcase {
    /** The words of Moodle for the codes of a status. */
    private const STATUSES = ['unknown', 'used', 'novalue', 'dropped', 'extra'];

    /**
     * Return the engine to be tested, or skip the test.
     *
     * @return engine
     */
    abstract protected function engine(): engine;

    public function test_totals_bounds_weights_and_statuses_equal_moodles_to_the_last_bit(): void {
        $cases = $this->vectors('aggregation.json')['cases'];
        $this->assertGreaterThanOrEqual(200, count($cases));
        foreach ($cases as $number => $case) {
            // A user between two who are passed over.
            $entries = $case['entries'];
            $grades = array_map(static fn(array $entry): array => [1.0, $entry['grade'], 2.0], $entries);
            $flag = static fn(array $entry): string =>
                chr(($entry['row'] ? batch::ROW : 0) | ($entry['excluded'] ? batch::EXCLUDED : 0));
            $flags = array_map(static fn(array $entry): string => "\1" . $flag($entry) . "\1", $entries);
            $minima = array_map(static fn(array $entry): array => [0.0, $entry['user'][0], 0.0], $entries);
            $maxima = array_map(static fn(array $entry): array => [1.0, $entry['user'][1], 1.0], $entries);
            $batch = new batch(3, $grades, $flags, $minima, $maxima, "\0\1\0");

            $totals = $this->engine()->aggregate(
                $this->category($case),
                array_map($this->item(...), $entries),
                $batch,
                new carry(...$case['bounds']),
            );

            $expected = $case['expected'];
            $context = "case $number: " . json_encode($case);
            $this->assertSame([null, $expected['grade'], null], $totals->grades, $context);
            $this->assertSame([null, $expected['range'][0] ?? null, null], $totals->minima, $context);
            $this->assertSame([null, $expected['range'][1] ?? null, null], $totals->maxima, $context);
            $this->assertSame($expected['carried'], [$totals->carry->min, $totals->carry->max], $context);
            $this->assertCount(count($entries), $expected['contributions']);
            foreach ($expected['contributions'] as $i => $contribution) {
                $this->assertSame($contribution['status'], self::STATUSES[ord($totals->statuses[$i][1])], $context);
                $this->assertSame([null, $contribution['weight'], null], $totals->weights[$i], $context);
                $this->assertSame("\0", $totals->statuses[$i][0]);
            }
        }
    }

    public function test_results_of_formulas_equal_moodles_to_the_last_bit(): void {
        $version = PHP_VERSION_ID < 80400 ? '8.2' : '8.4';
        ['variables' => $variables, 'cases' => $cases] = $this->vectors("formula-$version.json");
        $this->assertGreaterThanOrEqual(200, count($cases));
        foreach ($cases as ['calculation' => $calculation, 'columns' => $columns, 'results' => $expected]) {
            $active = implode('', array_map(static fn($result): string => $result === 'raises' ? "\0" : "\1", $expected));
            $formula = formula::compile($calculation, $variables);
            $found = $this->engine()->evaluate($formula, $columns, count($expected), $active);
            foreach ($expected as $u => $result) {
                $result = match ($result) {
                    'raises' => false,
                    'nan' => NAN,
                    'inf' => INF,
                    '-inf' => -INF,
                    default => $result,
                };
                // The written form tells the zeros apart, and is one for all that is not a number.
                $this->assertSame(var_export($result, true), var_export($found[$u], true), "$calculation, user $u");
            }
        }
    }

    public function test_a_batch_without_users_or_items_is_empty_and_carries_the_bounds(): void {
        $category = new category(13, 1, 0, true, false, 1.0, false, true);
        $carry = new carry(1.0, 5.0);
        $none = $this->engine()->aggregate($category, [], new batch(0, [], [], [], [], ''), $carry);
        $this->assertEquals(new totals([], [], [], [], [], $carry), $none);
        $users = $this->engine()->aggregate($category, [], new batch(2, [], [], [], [], "\1\0"), $carry);
        $this->assertEquals(new totals([null, null], [null, null], [null, null], [], [], $carry), $users);
        $item = new item(0.0, 10.0, 0.0, 0.5, false);
        $items = $this->engine()->aggregate($category, [$item], new batch(0, [[]], [''], [[]], [[]], ''), $carry);
        $this->assertEquals(new totals([], [], [], [''], [[]], $carry), $items);
        $this->assertSame([], $this->engine()->evaluate(formula::compile('=gi1', ['gi1']), [[]], 0));
    }

    public function test_bounds_are_carried_from_one_user_to_the_next(): void {
        // Extra credit is bounded by the maximum of 10 that the first user leaves: without the carry the second weight is 0.1.
        $category = new category(13, 0, 0, true, false, 1.0, false, false);
        $items = [new item(0.0, 100.0, 0.0, 1.0, false), new item(0.0, 10.0, 1.0, 0.1, false)];
        $column = static fn(float $grade): array => [$grade, $grade];
        $batch = new batch(
            2,
            [$column(10.0), $column(10.0)],
            ["\1\1", "\1\1"],
            [$column(0.0), $column(0.0)],
            [[10.0, 100.0], $column(10.0)],
            "\1\1",
        );
        $totals = $this->engine()->aggregate($category, $items, $batch, new carry(0.0, 100.0));
        $this->assertSame([10.0, 20.0], $totals->grades);
        $this->assertSame([10.0, 100.0], $totals->maxima);
        $this->assertSame([1.0, 0.0], $totals->weights[1]);
        $this->assertEquals(new carry(0.0, 100.0), $totals->carry);
    }

    /**
     * Read a file of recorded vectors.
     *
     * @param string $name
     * @return array
     */
    protected function vectors(string $name): array {
        $path = dirname(__DIR__, 5) . "/crates/accel/tests/vectors/$name";
        if (!is_file($path)) {
            $this->markTestSkipped("needs $name of the repository that the plugin is developed in");
        }
        return json_decode(file_get_contents($path), true, 512, JSON_THROW_ON_ERROR);
    }

    /**
     * Return the category of a recorded case.
     *
     * @param array $case
     * @return category
     */
    private function category(array $case): category {
        return new category(
            method: $case['method'],
            droplow: $case['droplow'],
            keephigh: $case['keephigh'],
            onlygraded: $case['onlygraded'],
            scale: $case['scale'],
            headroom: $case['headroom'] ?? 1.0,
            legacyextracredit: $case['legacy'],
            limits: $case['expected']['limits'],
        );
    }

    /**
     * Return the item of a recorded entry.
     *
     * @param array $entry
     * @return item
     */
    private function item(array $entry): item {
        return new item(...$entry['item'], coefficient: $entry['coefficient'], weight: $entry['weight'],
            weightoverridden: $entry['overridden']);
    }
}
