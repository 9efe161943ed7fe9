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
 * The PHP engine against what Moodle's own code returned; the README of crates/accel says how that was recorded.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(php_engine::class)]
#[CoversClass(aggregation::class)]
final class php_engine_test extends \basic_testcase {
    /** The words of Moodle for the codes of a status. */
    private const STATUSES = ['unknown', 'used', 'novalue', 'dropped', 'extra'];

    public function test_totals_bounds_weights_and_statuses_equal_moodles_to_the_last_bit(): void {
        $cases = $this->vectors('aggregation.json')['cases'];
        $this->assertGreaterThanOrEqual(200, count($cases));
        foreach ($cases as $number => $case) {
            // The same user twice, with one in between who is passed over; bounds are carried, so the first one is compared.
            $entries = $case['entries'];
            $grades = array_map(static fn(array $entry): array => [1.0, $entry['grade'], 2.0], $entries);
            $flag = static fn(array $entry): string =>
                chr(($entry['row'] ? batch::ROW : 0) | ($entry['excluded'] ? batch::EXCLUDED : 0));
            $flags = array_map(static fn(array $entry): string => "\1" . $flag($entry) . "\1", $entries);
            $minima = array_map(static fn(array $entry): array => [0.0, $entry['user'][0], 0.0], $entries);
            $maxima = array_map(static fn(array $entry): array => [1.0, $entry['user'][1], 1.0], $entries);
            $batch = new batch(3, $grades, $flags, $minima, $maxima, "\0\1\0");

            $totals = (new php_engine())->aggregate(
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

    /**
     * Read a file of recorded vectors.
     *
     * @param string $name
     * @return array
     */
    private function vectors(string $name): array {
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
