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
 * The arithmetic of one category in PHP, for one user after the other.
 *
 * The rules are those of Moodle 5.1: grade_category::aggregate_values_and_adjust_bounds() and apply_limit_rules(),
 * grade_item::bounded_grade() and grade_grade::standardise_score(). Additions happen in their order, else last bits differ.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class aggregation {
    /** @var float The minimum of the category's grade item, as the last user left it. */
    public float $min;
    /** @var float The maximum of the category's grade item, as the last user left it. */
    public float $max;
    /** @var list<bool> By item: whether it is extra credit. */
    public readonly array $extra;
    /** @var list<float> By item: its own maximum. */
    private readonly array $itemmaxima;
    /** @var list<float> By item: its own maximum less its own minimum. */
    private readonly array $ranges;
    /** @var list<float> By item: its coefficient. */
    private readonly array $coefficients;
    /** @var list<float> By item: its weight. */
    private readonly array $weights;
    /** @var list<bool> By item: whether a person set its weight. */
    private readonly array $overridden;
    /** @var list<bool> By item: whether it is part of the total in natural aggregation. */
    private readonly array $counting;

    /**
     * Prepare a category.
     *
     * @param category $category
     * @param list<item> $items
     * @param carry $carry the bounds before the first user
     */
    public function __construct(
        /** @var category The category. */
        private readonly category $category,
        array $items,
        carry $carry,
    ) {
        $this->min = $carry->min;
        $this->max = $carry->max;
        $this->itemmaxima = array_column($items, 'max');
        $this->ranges = array_map(static fn(item $item): float => $item->max - $item->min, $items);
        $this->coefficients = array_column($items, 'coefficient');
        $this->weights = array_column($items, 'weight');
        $this->overridden = array_column($items, 'weightoverridden');
        $usesextra = in_array($category->method, [11, 12, 13], true);
        $this->extra = array_map(static fn(item $item): bool => $usesextra && $item->coefficient > 0, $items);
        $legacy = $category->legacyextracredit;
        $this->counting = array_map(static fn(item $item): bool => $legacy || $item->coefficient <= 0, $items);
    }

    /**
     * Return the grades that the category's limit leaves.
     *
     * @param array<int, float> $values grades by item, normalised
     * @return array<int, float> in another order
     */
    public function limit(array $values): array {
        if ($this->category->droplow) {
            asort($values, SORT_NUMERIC);
            for ($dropped = 0; $dropped < $this->category->droplow; $dropped++) {
                $found = $this->lowest($values);
                if ($found === null) {
                    break;
                }
                unset($values[$found]);
            }
        } else if ($this->category->keephigh) {
            arsort($values, SORT_NUMERIC);
            $kept = 0;
            foreach (array_keys($values) as $i) {
                if ($this->extra[$i]) {
                    continue;
                }
                if ($kept < $this->category->keephigh) {
                    $kept++;
                } else {
                    unset($values[$i]);
                }
            }
        }
        return $values;
    }

    /**
     * Find the grade to be dropped: of the lowest without extra credit, the first with the highest maximum.
     *
     * @param array<int, float> $values grades by item, ascending
     * @return int|null
     */
    private function lowest(array $values): ?int {
        $found = null;
        $lowest = 0.0;
        foreach ($values as $i => $grade) {
            if ($this->extra[$i]) {
                continue;
            }
            if ($found === null) {
                $found = $i;
                $lowest = $grade;
            } else if ($grade !== $lowest) {
                break;
            } else if ($this->itemmaxima[$found] < $this->itemmaxima[$i]) {
                $found = $i;
            }
        }
        return $found;
    }

    /**
     * Aggregate grades, and take over the bounds that result.
     *
     * @param non-empty-array<int, float> $values grades by item, normalised to 0..1, ascending
     * @param array<int, float> $minima the user's minimum, by item
     * @param array<int, float> $maxima the user's maximum, by item
     * @return array{float|null, array<int, float>} the grade, normalised to 0..1, and weights by item where one is recorded
     */
    public function aggregate(array $values, array $minima, array $maxima): array {
        return match ($this->category->method) {
            2 => $this->median($values),
            4 => $this->single($values, array_key_first($values)),
            6 => $this->single($values, array_key_last($values)),
            8 => $this->mode($values),
            10 => $this->weighted_mean($values),
            11 => $this->simple_weighted_mean($values),
            12 => $this->mean_with_extra_credit($values),
            13 => $this->natural($values, $minima, $maxima),
            default => $this->mean($values),
        };
    }

    /**
     * Return a normalised grade in the category's points.
     *
     * @param float $grade
     * @return float
     */
    public function points(float $grade): float {
        $min = $this->category->method === 13 ? 0.0 : $this->min;
        return $this->bound($this->expand($grade, $min, $this->max), $this->min, $this->max);
    }

    /**
     * Map a grade from 0..1 to bounds.
     *
     * @param float $grade
     * @param float $min
     * @param float $max
     * @return float
     */
    private function expand(float $grade, float $min, float $max): float {
        return $min === $max ? $max : $grade * ($max - $min) + $min;
    }

    /**
     * Bound a grade as the category's grade item does.
     *
     * @param float $grade
     * @param float $min
     * @param float $max
     * @return float
     */
    private function bound(float $grade, float $min, float $max): float {
        if ($this->category->scale) {
            $grade = round($grade + 0.00001);
        } else {
            $max *= $this->category->headroom;
        }
        $bounded = $grade < $min ? $min : ($grade > $max ? $max : $grade);
        return $this->category->scale ? (float) (int) $bounded : $bounded;
    }

    /**
     * Aggregate by the arithmetic mean.
     *
     * @param non-empty-array<int, float> $values
     * @return array{float, array<int, float>}
     */
    private function mean(array $values): array {
        $count = count($values);
        $sum = 0.0;
        $weights = $values;
        $weight = 1.0 / $count;
        foreach ($values as $i => $grade) {
            $sum += $grade;
            $weights[$i] = $weight;
        }
        return [$sum / $count, $weights];
    }

    /**
     * Aggregate by the middle grade.
     *
     * @param non-empty-array<int, float> $values
     * @return array{float, array<int, float>}
     */
    private function median(array $values): array {
        $keys = array_keys($values);
        $middle = intdiv(count($keys), 2);
        if (count($keys) % 2) {
            return $this->single($values, $keys[$middle]);
        }
        $weights = array_fill_keys($keys, 0.0);
        $weights[$keys[$middle - 1]] = 0.5;
        $weights[$keys[$middle]] = 0.5;
        return [($values[$keys[$middle - 1]] + $values[$keys[$middle]]) / 2, $weights];
    }

    /**
     * Let one grade decide.
     *
     * @param non-empty-array<int, float> $values
     * @param int $i its item
     * @return array{float, array<int, float>}
     */
    private function single(array $values, int $i): array {
        $weights = array_fill_keys(array_keys($values), 0.0);
        $weights[$i] = 1.0;
        return [$values[$i], $weights];
    }

    /**
     * Aggregate by the most frequent grade, as PHP writes grades; of several, the largest.
     *
     * @param non-empty-array<int, float> $values
     * @return array{float, array<int, float>}
     */
    private function mode(array $values): array {
        [$top, $mode, $run, $last, $text] = [0, '', 0, null, ''];
        foreach ($values as $grade) {
            if ($grade !== $last) {
                $last = $grade;
                $written = (string) $grade;
                if ($written !== $text) {
                    $text = $written;
                    $run = 0;
                }
            }
            $run++;
            if ($run >= $top) {
                $top = $run;
                $mode = $text;
            }
        }
        $mode = (float) $mode;
        $weights = $values;
        foreach ($values as $i => $grade) {
            $weights[$i] = $grade === $mode ? 1.0 / $top : 0.0;
        }
        return [$mode, $weights];
    }

    /**
     * Aggregate by the mean weighted by the items' coefficients.
     *
     * @param non-empty-array<int, float> $values
     * @return array{float|null, array<int, float>}
     */
    private function weighted_mean(array $values): array {
        $total = 0.0;
        $sum = 0.0;
        $weights = $values;
        foreach ($values as $i => $grade) {
            $coefficient = $this->coefficients[$i];
            $weights[$i] = $coefficient;
            if ($coefficient > 0) {
                $total += $coefficient;
                $sum += $coefficient * $grade;
            }
        }
        if ($total === 0.0) {
            return [null, $weights];
        }
        foreach ($weights as $i => $weight) {
            $weights[$i] = $weight / $total;
        }
        return [$sum / $total, $weights];
    }

    /**
     * Aggregate by the mean weighted by the items' ranges, with extra credit.
     *
     * @param non-empty-array<int, float> $values
     * @return array{float|null, array<int, float>}
     */
    private function simple_weighted_mean(array $values): array {
        $total = 0.0;
        $sum = null;
        $weights = $values;
        foreach ($values as $i => $grade) {
            $range = $this->ranges[$i];
            if (!$this->extra[$i] && $range > 0) {
                $total += $range;
                $sum += $range * $grade;
            }
        }
        foreach ($values as $i => $grade) {
            $range = $this->ranges[$i];
            if (!$this->extra[$i]) {
                $weights[$i] = $total > 0 ? $range / $total : 0.0;
                continue;
            }
            $weights[$i] = 0.0;
            if ($range > 0) {
                $before = $sum;
                $sum += $range * $grade;
                if ($total > 0) {
                    $weights[$i] = $this->extra_weight($before / $total, $sum / $total, $grade, $range / $total);
                }
            }
        }
        return [$sum === null || $total === 0.0 ? $sum : $sum / $total, $weights];
    }

    /**
     * Aggregate by the mean, with extra credit by the items' coefficients.
     *
     * @param non-empty-array<int, float> $values
     * @return array{float|null, array<int, float>}
     */
    private function mean_with_extra_credit(array $values): array {
        $count = 0;
        $sum = null;
        foreach ($values as $i => $grade) {
            if ($this->coefficients[$i] === 0.0) {
                $count++;
                $sum += $grade;
            }
        }
        $weights = [];
        foreach ($values as $i => $grade) {
            if ($this->extra[$i]) {
                $before = $sum;
                $sum += $this->coefficients[$i] * $grade;
                if ($count) {
                    $weights[$i] = $this->extra_weight($before / $count, $sum / $count, $grade, 1.0 / $count);
                }
            } else if ($this->coefficients[$i] === 0.0) {
                $weights[$i] = 1.0 / $count;
            }
        }
        return [$sum === null || !$count ? $sum : $sum / $count, $weights];
    }

    /**
     * Return the weight of extra credit: nothing if bounding swallows it, a part if bounding cuts it, else the default.
     *
     * @param float $before the category's grade without it, normalised
     * @param float $after the category's grade with it, normalised
     * @param float $grade
     * @param float $default
     * @return float
     */
    private function extra_weight(float $before, float $after, float $grade, float $default): float {
        $min = $this->min;
        $max = $this->max;
        $before = $this->expand($before, $min, $max);
        $after = $this->expand($after, $min, $max);
        $bounded = $this->bound($after, $min, $max);
        if ($bounded - $this->bound($before, $min, $max) <= 0) {
            return 0.0;
        }
        if ($bounded < $after) {
            return ($max === $min ? 1.0 : ($bounded - $before - $min) / ($max - $min)) / $grade;
        }
        return $default;
    }

    /**
     * Aggregate by the weighted sum, over a maximum that adjusts to the user.
     *
     * @param non-empty-array<int, float> $values
     * @param array<int, float> $minima
     * @param array<int, float> $maxima
     * @return array{float, array<int, float>}
     */
    private function natural(array $values, array $minima, array $maxima): array {
        [$min, $max, $weights] = $this->shares($values, $minima, $maxima);
        $sum = 0.0;
        foreach ($values as $i => $grade) {
            if (!$this->extra[$i]) {
                $sum += $grade * $weights[$i] * $max;
            }
        }
        foreach ($values as $i => $grade) {
            if (!$this->extra[$i]) {
                continue;
            }
            $before = $sum;
            $points = $grade * $weights[$i] * $max;
            $sum += $points;
            if ($max > 0) {
                $gain = $this->bound($sum, $this->min, $this->max) - $this->bound($before, $this->min, $this->max);
                if ($gain <= 0) {
                    $weights[$i] = 0.0;
                } else if ($gain < $points) {
                    $weights[$i] = $gain / ($grade * $max);
                }
            }
        }
        $grade = $max > 0 ? $sum / $max : $sum;
        $this->min = $min;
        $this->max = $max > 0 ? $max : $sum;
        return [$grade, $weights];
    }

    /**
     * Return the category's bounds and the share of each item in natural aggregation.
     *
     * Weights that people set are scaled up to what is left in the category, the other items divide the rest by their maxima,
     * and extra credit is measured against the maximum that results.
     *
     * @param non-empty-array<int, float> $values
     * @param array<int, float> $minima
     * @param array<int, float> $maxima
     * @return array{float, float, array<int, float>}
     */
    private function shares(array $values, array $minima, array $maxima): array {
        $min = $max = $total = 0.0;
        foreach ($values as $i => $grade) {
            if (!$this->extra[$i] && $this->weights[$i] > 0) {
                $min += $minima[$i];
                $max += $maxima[$i];
                $total += $this->weights[$i];
            }
        }
        $setshare = $setpoints = 0.0;
        $shares = [];
        foreach ($values as $i => $grade) {
            $shares[$i] = 0.0;
            if ($this->overridden[$i] && $this->weights[$i] > 0) {
                $shares[$i] = $total === 0.0 ? 0.0 : $this->weights[$i] / $total;
                if ($this->counting[$i]) {
                    $setshare += $shares[$i];
                    $setpoints += $maxima[$i];
                }
            }
        }
        $freepoints = $max - $setpoints;
        foreach ($values as $i => $grade) {
            if (!$this->overridden[$i] && $this->counting[$i]) {
                if ($freepoints > 0) {
                    $shares[$i] = ($maxima[$i] / $freepoints) * (1.0 - $setshare);
                } else if ($this->weights[$i] > 0) {
                    $max -= $maxima[$i];
                }
            }
        }
        foreach ($values as $i => $grade) {
            if (!$this->overridden[$i] && !$this->counting[$i]) {
                $shares[$i] = $max === 0.0 ? 0.0 : $maxima[$i] / $max;
            }
        }
        return [$min, $max, $shares];
    }
}
