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
 * The engine in plain PHP: it works everywhere.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class php_engine implements engine {
    #[\Override]
    public function name(): string {
        return 'php';
    }

    #[\Override]
    public function aggregate(category $category, array $items, batch $batch, carry $carry): totals {
        $aggregation = new aggregation($category, $items, $carry);
        $natural = $category->method === 13;
        $limited = $category->limits && ($category->droplow || $category->keephigh);
        $count = count($items);
        $itemminima = array_column($items, 'min');
        $itemmaxima = array_column($items, 'max');
        $none = $batch->users ? array_fill(0, $batch->users, null) : [];
        [$grades, $lows, $highs] = [$none, $none, $none];
        $weights = $count ? array_fill(0, $count, $none) : [];
        $statuses = $count ? array_fill(0, $count, str_repeat("\0", $batch->users)) : [];

        for ($u = 0; $u < $batch->users; $u++) {
            if ($batch->active[$u] === "\0") {
                continue;
            }
            [$values, $late, $minima, $maxima] = [[], [], [], []];
            $hasrow = false;
            $allempty = true;
            for ($i = 0; $i < $count; $i++) {
                $weights[$i][$u] = 0.0;
                $flag = $batch->flags[$i][$u];
                if ($flag === "\0" || $flag === "\2") {
                    if ($category->onlygraded) {
                        $statuses[$i][$u] = "\2";
                    } else {
                        $late[$i] = 0.0;
                        $minima[$i] = $itemminima[$i];
                        $maxima[$i] = $itemmaxima[$i];
                    }
                    continue;
                }
                $hasrow = true;
                $grade = $batch->grades[$i][$u];
                if ($grade === null && $category->onlygraded) {
                    $statuses[$i][$u] = "\2";
                    continue;
                }
                if ($flag !== "\1") {
                    $statuses[$i][$u] = "\3";
                    continue;
                }
                $minima[$i] = $batch->minima[$i][$u];
                $maxima[$i] = $max = $batch->maxima[$i][$u];
                if ($grade === null) {
                    $values[$i] = 0.0;
                } else {
                    $allempty = false;
                    $min = $natural ? 0.0 : $minima[$i];
                    $values[$i] = $max === $min ? 1.0 : ($grade - $min) / ($max - $min);
                }
            }
            if (!$hasrow) {
                for ($i = 0; $i < $count; $i++) {
                    $statuses[$i][$u] = "\0";
                }
                continue;
            }
            $values += $late;

            if ($limited) {
                $all = $values;
                $values = $aggregation->limit($values);
                if (count($values) < count($all)) {
                    foreach (array_diff($all, $values) as $i => $grade) {
                        $statuses[$i][$u] = "\3";
                    }
                }
            }
            if (!$values) {
                continue;
            }
            asort($values, SORT_NUMERIC);
            [$grade, $shares] = $aggregation->aggregate($values, $minima, $maxima);
            foreach ($values as $i => $value) {
                if ($aggregation->extra[$i]) {
                    $statuses[$i][$u] = "\4";
                    $weights[$i][$u] = $shares[$i] ?? null;
                } else if (isset($shares[$i])) {
                    $weights[$i][$u] = $shares[$i];
                    if ($statuses[$i][$u] === "\0") {
                        $statuses[$i][$u] = "\1";
                    }
                }
            }
            $lows[$u] = $natural ? 0.0 : $aggregation->min;
            $highs[$u] = $aggregation->max;
            if ($grade !== null && !$allempty) {
                $grades[$u] = $aggregation->points($grade);
            }
        }
        return new totals($grades, $lows, $highs, $statuses, $weights, new carry($aggregation->min, $aggregation->max));
    }

    #[\Override]
    public function evaluate(formula $formula, array $columns, int $users, ?string $active = null): array {
        return $users ? (new interpreter($formula, $columns, $users, $active))->run() : [];
    }
}
