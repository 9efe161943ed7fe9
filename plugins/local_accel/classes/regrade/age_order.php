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

namespace local_accel\regrade;

use local_accel\local\grade\batch;
use local_accel\local\grade\carry;
use local_accel\local\grade\category;
use local_accel\local\grade\engine;
use local_accel\local\grade\item;
use local_accel\local\grade\totals;

/**
 * Aggregates where it matters which of two equal grades comes first: here the older row does.
 *
 * Moodle leaves this to the database, which it asks for rows in the order of users only. Users in a row whose rows have the same
 * order are aggregated together, so that each user meets the bounds that the one before has left.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class age_order {
    /** @var list<array{list<int>, list<int>}> Numbers of columns, oldest row first, and the places of users in a row. */
    private array $runs;

    /**
     * Find the users of a sheet whose rows have the same order.
     *
     * @param sheet $sheet
     * @param list<int> $children the ids of the items that are aggregated
     */
    public function __construct(sheet $sheet, array $children) {
        $runs = [];
        $before = null;
        for ($place = 0; $place < $sheet->count; $place++) {
            $ages = array_map(static fn(int $child): int => $sheet->age($child, $place), $children);
            asort($ages);
            $order = array_keys($ages);
            if ($order !== $before) {
                $runs[] = [$order, []];
                $before = $order;
            }
            $runs[array_key_last($runs)][1][] = $place;
        }
        $this->runs = $runs;
    }

    /**
     * Have the engine aggregate, run by run.
     *
     * @param engine $engine
     * @param category $category
     * @param list<item> $items
     * @param batch $batch
     * @param carry $carry
     * @return totals
     */
    public function aggregate(engine $engine, category $category, array $items, batch $batch, carry $carry): totals {
        $grades = $minima = $maxima = array_fill(0, $batch->users, null);
        $statuses = array_fill(0, count($items), str_repeat("\0", $batch->users));
        $weights = array_fill(0, count($items), $grades);
        foreach ($this->runs as [$order, $places]) {
            $part = $engine->aggregate(
                $category,
                array_map(static fn(int $at): item => $items[$at], $order),
                $this->part($batch, $order, $places),
                $carry,
            );
            $carry = $part->carry;
            foreach ($places as $within => $place) {
                $grades[$place] = $part->grades[$within];
                $minima[$place] = $part->minima[$within];
                $maxima[$place] = $part->maxima[$within];
                foreach ($order as $column => $at) {
                    $statuses[$at][$place] = $part->statuses[$column][$within];
                    $weights[$at][$place] = $part->weights[$column][$within];
                }
            }
        }
        return new totals($grades, $minima, $maxima, $statuses, $weights, $carry);
    }

    /**
     * Return some users and their items in another order.
     *
     * @param batch $batch
     * @param list<int> $order numbers of columns
     * @param list<int> $places
     * @return batch
     */
    private function part(batch $batch, array $order, array $places): batch {
        $values = static fn(array $column): array => array_map(static fn(int $place): mixed => $column[$place], $places);
        $bytes = static fn(string $column): string => implode('', array_map(static fn(int $place): string => $column[$place], $places));
        $take = static fn(callable $pick, array $columns): array => array_map(static fn(int $at): mixed => $pick($columns[$at]), $order);
        return new batch(
            count($places),
            $take($values, $batch->grades),
            $take($bytes, $batch->flags),
            $take($values, $batch->minima),
            $take($values, $batch->maxima),
            $bytes($batch->active),
        );
    }
}
