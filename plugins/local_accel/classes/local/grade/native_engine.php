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

use local_accel\local\native;

/**
 * The engine in Rust. What Rust leaves to PHP goes to the engine in PHP.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class native_engine implements engine {
    /** The bytes of the NaN that stands for no value in a column of the library. */
    private const NONE = "\0\0\0\0\0\0\xf8\x7f";

    /**
     * Take the library's kernels.
     *
     * @param native\grade $kernels
     */
    public function __construct(
        /** @var native\grade The library's kernels. */
        private readonly native\grade $kernels,
    ) {
    }

    #[\Override]
    public function name(): string {
        return 'native';
    }

    #[\Override]
    public function aggregate(category $category, array $items, batch $batch, carry $carry): totals {
        $settings = '';
        foreach ($items as $item) {
            $settings .= pack('d5', $item->min, $item->max, $item->coefficient, $item->weight, (int) $item->weightoverridden);
        }
        [$totals, $statuses, $weights, $min, $max] = $this->kernels->aggregate(
            [
                'min' => $carry->min,
                'max' => $carry->max,
                'headroom' => $category->headroom,
                'drop_low' => $category->limits ? $category->droplow : 0,
                'keep_high' => $category->limits ? $category->keephigh : 0,
                'php_version' => PHP_VERSION_ID,
                'method' => $category->method,
                'only_graded' => (int) $category->onlygraded,
                'scale' => (int) $category->scale,
                'legacy_extra_credit' => (int) $category->legacyextracredit,
            ],
            $settings,
            $this->pack($batch->grades),
            implode('', $batch->flags),
            $this->pack($batch->minima),
            $this->pack($batch->maxima),
            $batch->active,
        );
        [$grades, $minima, $maxima] = $this->unpack($totals, 3, $batch->users);
        return new totals(
            $grades,
            $minima,
            $maxima,
            $batch->users ? str_split($statuses, $batch->users) : array_fill(0, count($items), ''),
            $this->unpack($weights, count($items), $batch->users),
            new carry($min, $max),
        );
    }

    #[\Override]
    public function evaluate(formula $formula, array $columns, int $users, ?string $active = null): array {
        $active ??= str_repeat("\1", $users);
        $found = $this->kernels->evaluate(
            "=$formula->text",
            $formula->variables,
            PHP_VERSION_ID,
            $this->pack($columns),
            $active,
        );
        if ($found === null) {
            return (new php_engine())->evaluate($formula, $columns, $users, $active);
        }
        [$results, $failed] = $found;
        $results = array_values(unpack("d$users", $results));
        for ($u = strcspn($failed, "\1"); $u < $users; $u += 1 + strcspn($failed, "\1", $u + 1)) {
            $results[$u] = false;
        }
        return $results;
    }

    /**
     * Pack columns, with NaN for null.
     *
     * @param list<list<float|null>> $columns
     * @return string
     */
    private function pack(array $columns): string {
        $packed = '';
        foreach ($columns as $column) {
            foreach (array_keys($column, null, true) as $u) {
                $column[$u] = NAN;
            }
            $packed .= pack('d*', ...$column);
        }
        return $packed;
    }

    /**
     * Unpack columns, with null for NaN.
     *
     * @param string $packed
     * @param int $columns how many
     * @param int $users
     * @return list<list<float|null>>
     */
    private function unpack(string $packed, int $columns, int $users): array {
        $unpacked = [];
        for ($i = 0; $i < $columns; $i++) {
            $bytes = substr($packed, $i * $users * 8, $users * 8);
            $column = array_values(unpack("d$users", $bytes));
            if (str_contains($bytes, self::NONE)) {
                foreach ($column as $u => $value) {
                    if (is_nan($value)) {
                        $column[$u] = null;
                    }
                }
            }
            $unpacked[] = $column;
        }
        return $unpacked;
    }
}
