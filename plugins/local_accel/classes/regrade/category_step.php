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

use core\event\base;
use local_accel\local\grade\batch;
use local_accel\local\grade\carry;
use local_accel\local\grade\category;
use local_accel\local\grade\engine;
use local_accel\local\grade\item;
use local_accel\local\grade\number;
use local_accel\local\grade\totals;

/**
 * The totals of a category, and how each grade in it takes part.
 *
 * The rules are those of grade_category::generate_grades(), aggregate_grades() and set_usedinaggregation().
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class category_step implements step {
    /** @var category How it aggregates. */
    private readonly category $category;

    /** @var list<int> The ids of the items that are aggregated. */
    private readonly array $children;

    /** @var list<item> The items that are aggregated. */
    private readonly array $kernelitems;

    /** @var list<int> The ids of the category's items that are not aggregated, as those with a text for a grade. */
    private readonly array $others;

    /** @var carry The bounds of the category's item as the last user left them. */
    private carry $carry;

    /**
     * Take a category's item.
     *
     * @param \grade_item $total the category's item
     * @param array<int, \grade_item> $items the items that are aggregated, ascending by id
     * @param list<int> $members the ids of the items that lie in the category itself
     * @param array<int, bool> $rowbounds by id: whether a grade is measured by its row's bounds, not by its item's
     * @param bool $legacyextracredit whether the course is frozen at the natural weights of 20150619 or earlier
     */
    public function __construct(
        /** @var \grade_item The category's item. */
        private readonly \grade_item $total,
        /** @var array<int, \grade_item> The items that are aggregated, ascending by id. */
        private readonly array $items,
        array $members,
        /** @var array<int, bool> By id: whether a grade is measured by its row's bounds, not by its item's. */
        private readonly array $rowbounds,
        bool $legacyextracredit,
    ) {
        global $CFG;
        $this->children = array_keys($items);
        $this->others = array_values(array_diff($members, $this->children));
        $this->kernelitems = array_values(array_map(static fn(\grade_item $item): item => new item(
            (float) $item->grademin,
            (float) $item->grademax,
            (float) $item->aggregationcoef,
            (float) $item->aggregationcoef2,
            !empty($item->weightoverride),
        ), $items));
        $settings = $total->load_item_category();
        $this->category = new category(
            (int) $settings->aggregation,
            (int) $settings->droplow,
            (int) $settings->keephigh,
            !empty($settings->aggregateonlygraded),
            $total->gradetype == GRADE_TYPE_SCALE,
            empty($CFG->unlimitedgrades) ? 1.0 : (float) ($CFG->gradeoverhundredprocentmax ?? 10),
            $legacyextracredit,
            $settings->can_apply_limit_rules(),
        );
        $this->carry = new carry((float) $total->grademin, (float) $total->grademax);
    }

    #[\Override]
    public function apply(sheet $sheet, engine $engine): void {
        $own = (int) $this->total->id;
        $present = $sheet->present([...$this->children, $own]);
        $sheet->insert($own, $present, 0.0, 100.0);
        $active = $present & ~$sheet->fixed[$own];
        $totals = $this->children ? $this->aggregate($sheet, $engine, $active) : null;
        foreach ($this->children as $at => $child) {
            $sheet->insert($child, $active, $this->kernelitems[$at]->min, $this->kernelitems[$at]->max);
        }
        for ($place = strpos($active, "\1"); $place !== false; $place = strpos($active, "\1", $place + 1)) {
            $this->regrade($sheet, $own, $place, $totals);
        }
        foreach ($this->children as $at => $child) {
            $this->restate($sheet, $active, $child, $totals->statuses[$at], $totals->weights[$at]);
        }
        $unknown = str_repeat("\0", $sheet->count);
        $zeroes = array_fill(0, $sheet->count, 0.0);
        foreach ($this->others as $other) {
            $this->restate($sheet, $active & $sheet->present([$other]), $other, $unknown, $zeroes);
        }
    }

    /**
     * Have the engine aggregate, and keep the bounds for the next users.
     *
     * @param sheet $sheet
     * @param engine $engine
     * @param string $active
     * @return totals
     */
    private function aggregate(sheet $sheet, engine $engine, string $active): totals {
        $grades = $flags = $minima = $maxima = [];
        foreach ($this->children as $at => $child) {
            $item = $this->kernelitems[$at];
            $grades[] = $sheet->grades[$child];
            $flags[] = $sheet->flags[$child];
            $fromrow = $this->rowbounds[$child];
            $minima[] = $fromrow ? $sheet->minima[$child] : array_fill(0, $sheet->count, $item->min);
            $maxima[] = $fromrow ? $sheet->maxima[$child] : array_fill(0, $sheet->count, $item->max);
        }
        $batch = new batch($sheet->count, $grades, $flags, $minima, $maxima, $active);
        $totals = $this->heeds_order()
            ? (new age_order($sheet, $this->children))->aggregate($engine, $this->category, $this->kernelitems, $batch, $this->carry)
            : $engine->aggregate($this->category, $this->kernelitems, $batch, $this->carry);
        $this->carry = $totals->carry;
        return $totals;
    }

    /**
     * Tell whether it matters which of two equal grades comes first: the one that is dropped, that is the median, or to which
     * natural aggregation gives what extra credit may still add.
     *
     * @return bool
     */
    private function heeds_order(): bool {
        $limited = $this->category->limits && ($this->category->droplow || $this->category->keephigh);
        return $limited || match ($this->category->method) {
            GRADE_AGGREGATE_MEDIAN, GRADE_AGGREGATE_MIN, GRADE_AGGREGATE_MAX => true,
            GRADE_AGGREGATE_SUM => max(array_column($this->kernelitems, 'coefficient')) > 0,
            default => false,
        };
    }

    /**
     * Store a user's total, if it differs from what is there.
     *
     * @param sheet $sheet
     * @param int $own
     * @param int $place
     * @param totals|null $totals null where nothing is aggregated
     */
    private function regrade(sheet $sheet, int $own, int $place, ?totals $totals): void {
        $old = $sheet->grades[$own][$place];
        $oldmin = $sheet->minima[$own][$place];
        $oldmax = $sheet->maxima[$own][$place];
        $min = $totals?->minima[$place];
        if ($min === null) {
            if ($old !== null) {
                $sheet->regrade($own, $place, null, $oldmin, $oldmax);
            }
            return;
        }
        $new = $totals->grades[$place];
        $new = $new === null ? null : number::round($new);
        $min = number::round($min);
        $max = number::round($totals->maxima[$place]);
        if ($new !== $old || $min !== $oldmin || $max !== $oldmax) {
            $sheet->regrade($own, $place, $new === null ? null : number::decimal($new), number::decimal($min), number::decimal($max));
        }
    }

    /**
     * Store how the grades of an item took part, where it differs from what is there.
     *
     * @param sheet $sheet
     * @param string $active
     * @param int $child
     * @param string $codes
     * @param list<float|null> $weights
     */
    private function restate(sheet $sheet, string $active, int $child, string $codes, array $weights): void {
        static $words = ['unknown', 'used', 'novalue', 'dropped', 'extra'];
        $nested = isset($this->items[$child]) && $this->items[$child]->categoryid === null;
        $statuses = $sheet->statuses[$child];
        $stored = $sheet->weights[$child];
        $weight = $rounded = null;
        for ($place = strpos($active, "\1"); $place !== false; $place = strpos($active, "\1", $place + 1)) {
            $code = ord($codes[$place]);
            if ($code === totals::UNKNOWN && $nested) {
                continue;
            }
            if ($weights[$place] !== $weight) {
                $weight = $weights[$place];
                $rounded = $weight === null ? null : number::round($weight);
            }
            $word = $words[$code];
            if ($weight !== null && $rounded !== $stored[$place]) {
                $sheet->restate($child, $place, $word, number::decimal($weight));
            } else if ($statuses[$place] !== $word) {
                $sheet->restate($child, $place, $word, $code === totals::USED ? number::decimal($weight) : $stored[$place]);
            }
        }
    }

    #[\Override]
    public function source(): string {
        return 'aggregation';
    }

    #[\Override]
    public function actor(): ?int {
        return base::USER_OTHER;
    }
}
