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

use local_accel\local\grade\engine;
use local_accel\local\grade\formula;
use local_accel\local\grade\formula_error;
use local_accel\local\grade\number;

/**
 * The grades of a calculated item. The rules are those of grade_item::compute() and grade_item::use_formula().
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class formula_step implements step {
    /** @var formula The formula, compiled. */
    private readonly formula $formula;

    /** @var list<int> The ids of the items whose grades go in. */
    private readonly array $inputs;

    /**
     * Take a calculated item.
     *
     * @param \grade_item $item
     * @param list<int> $depends the ids of the items in its formula
     * @param list<int> $known the ids of the course's items
     * @param bool $keepsbounds whether the course is frozen at rules under which rows keep their bounds
     * @throws left_to_core
     */
    public function __construct(
        /** @var \grade_item The item. */
        private readonly \grade_item $item,
        array $depends,
        array $known,
        /** @var bool Whether the course is frozen at rules under which rows keep their bounds. */
        private readonly bool $keepsbounds,
    ) {
        $own = (int) $item->id;
        $formula = preg_replace('/##(gi\d+)##/', '\1', $item->calculation);
        if ($item->itemtype === 'mod') {
            throw new left_to_core(reason::CALCULATED_ACTIVITY, $item->get_name());
        }
        if (str_contains($formula, '[[') || array_diff($depends, $known) || in_array($own, $depends, true)) {
            throw new left_to_core(reason::FORMULA, $item->get_name());
        }
        $this->inputs = $depends;
        try {
            $this->formula = formula::compile($formula, array_map(static fn(int $id): string => "gi{$id}", $depends));
        } catch (formula_error $error) {
            throw new left_to_core(reason::FORMULA, "{$item->get_name()}: {$error->getMessage()}");
        }
    }

    #[\Override]
    public function apply(sheet $sheet, engine $engine): void {
        $own = (int) $this->item->id;
        $sheet->insert($own, str_repeat("\1", $sheet->count), 0.0, 100.0);
        $columns = array_map(static fn(int $input): array => $sheet->grades[$input], $this->inputs);
        $active = $this->filled($columns, $sheet->count) & ~$sheet->fixed[$own];
        try {
            $results = $engine->evaluate($this->formula, $columns, $sheet->count, $active);
        } catch (formula_error $error) {
            throw new left_to_core(reason::FORMULA, "{$this->item->get_name()}: {$error->getMessage()}");
        }
        $itemmin = (float) $this->item->grademin;
        $itemmax = (float) $this->item->grademax;
        for ($place = 0; $place < $sheet->count; $place++) {
            if ($sheet->fixed[$own][$place] === "\1") {
                continue;
            }
            $new = $active[$place] === "\1" ? $this->bounded($results[$place]) : null;
            $old = $sheet->grades[$own][$place];
            $min = $sheet->minima[$own][$place];
            $max = $sheet->maxima[$own][$place];
            $rebounded = !$this->keepsbounds && ($min !== $itemmin || $max !== $itemmax);
            if ($rebounded || grade_floats_different($new, $old)) {
                $new = $new === null ? null : number::decimal(number::round($new));
                $sheet->regrade($own, $place, $new, $rebounded ? $itemmin : $min, $rebounded ? $itemmax : $max);
            }
        }
    }

    /**
     * Tell for which users anything goes in. Moodle evaluates nothing where all is empty.
     *
     * @param list<list<float|null>> $columns
     * @param int $users
     * @return string a byte per user: "\1" where a grade is there
     */
    private function filled(array $columns, int $users): string {
        $filled = str_repeat("\0", $users);
        foreach ($columns as $column) {
            foreach ($column as $place => $grade) {
                if ($grade !== null) {
                    $filled[$place] = "\1";
                }
            }
        }
        return $filled;
    }

    /**
     * Return a result within the item's bounds.
     *
     * @param float|false $result
     * @return float
     * @throws left_to_core if the formula failed, which Moodle's own code reports
     */
    private function bounded(float|false $result): float {
        if ($result === false || !is_finite($result)) {
            throw new left_to_core(reason::FORMULA, $this->item->get_name());
        }
        return (float) $this->item->bounded_grade($result);
    }

    #[\Override]
    public function source(): string {
        return 'compute';
    }

    #[\Override]
    public function actor(): ?int {
        return null;
    }
}
