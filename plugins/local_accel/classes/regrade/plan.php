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

/**
 * What a regrade of a course has to compute, in which order. The order is that of grade_regrade_final_grades().
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class plan {
    /** @var int Up to this date of a frozen gradebook, natural weights follow the rules from before MDL-49257. */
    private const FROZEN_EXTRA_CREDIT = 20150619;

    /** @var int Up to this date of a frozen gradebook, calculated items keep the bounds in their rows. */
    private const FROZEN_BOUNDS = 20150627;

    /** @var array<int, \grade_item> The course's items by id. */
    public array $items;

    /** @var array<int, step> The steps by the id of the item, in their order. */
    public array $steps;

    /**
     * Plan the regrade of a course, whose weights and maxima must have been updated.
     *
     * @param int $courseid
     * @throws left_to_core
     */
    public function __construct(
        /** @var int The course. */
        public int $courseid,
    ) {
        $items = \grade_item::fetch_all(['courseid' => $courseid]) ?: [];
        ksort($items);
        $this->items = $items;
        $this->steps = $this->steps();
    }

    /**
     * Return the steps, each after those on which it depends: in rounds through all items by their ids, as Moodle goes.
     *
     * @return array<int, step>
     */
    private function steps(): array {
        $depends = [];
        foreach ($this->items as $id => $item) {
            if ($item->is_aggregate_item() || $item->is_calculated()) {
                $item->needsupdate = 1;
            }
            if ($item->needsupdate) {
                $depends[$id] = array_map('intval', array_values($item->depends_on()));
                if (empty($item->locked) && $item->locktime && $item->locktime < time()) {
                    throw new left_to_core(reason::LOCK_DUE, $item->get_name());
                }
            }
        }
        $steps = $final = [];
        while (count($final) < count($this->items)) {
            $before = count($final);
            foreach (array_diff_key($this->items, $final) as $id => $item) {
                $others = $depends[$id] ?? [];
                if (!array_diff_key(array_flip($others), $final)) {
                    $final[$id] = true;
                    $step = isset($depends[$id]) ? $this->step($item, $others) : null;
                    if ($step) {
                        $steps[$id] = $step;
                    }
                }
            }
            if (count($final) === $before) {
                throw new left_to_core(reason::CIRCLE, $item->get_name());
            }
        }
        return $steps;
    }

    /**
     * Return how an item is computed from others, or null if it isn't. The cases are those of grade_item::regrade_final_grades().
     *
     * @param \grade_item $item
     * @param list<int> $depends the ids of the items on which it depends
     * @return step|null
     */
    private function step(\grade_item $item, array $depends): ?step {
        if ($item->is_locked()) {
            return null;
        }
        if ($item->is_calculated()) {
            return new formula_step($item, $depends, array_keys($this->items), $this->frozen(self::FROZEN_BOUNDS));
        }
        return !$item->is_outcome_item() && $item->is_aggregate_item() ? $this->category_step($item, $depends) : null;
    }

    /**
     * Return the step for a category's item.
     *
     * @param \grade_item $total
     * @param list<int> $depends the ids of the items that are aggregated
     * @return category_step
     */
    private function category_step(\grade_item $total, array $depends): category_step {
        global $CFG;
        $children = array_intersect_key($this->items, array_flip($depends));
        $members = array_filter($this->items, static fn(\grade_item $item): bool => $item->categoryid == $total->iteminstance);
        $fromgrade = grade_get_setting($this->courseid, 'minmaxtouse', $CFG->grade_minmaxtouse) == GRADE_MIN_MAX_FROM_GRADE_GRADE;
        $frozen = $this->frozen(self::FROZEN_BOUNDS);
        $rowbounds = array_map(
            static fn(\grade_item $item): bool => $fromgrade || $item->is_aggregate_item() && ($frozen || !$item->is_calculated()),
            $children,
        );
        return new category_step($total, $children, array_keys($members), $rowbounds, $this->frozen(self::FROZEN_EXTRA_CREDIT));
    }

    /**
     * Tell whether the course's gradebook is frozen at the rules of a date or older ones.
     *
     * @param int $date as 20150619
     * @return bool
     */
    private function frozen(int $date): bool {
        $freeze = (int) get_config('core', "gradebook_calculations_freeze_{$this->courseid}");
        return $freeze && $freeze <= $date;
    }
}
