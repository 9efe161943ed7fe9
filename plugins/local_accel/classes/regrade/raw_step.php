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
use local_accel\local\grade\engine;
use local_accel\local\grade\number;

/**
 * The grades of an activity, whose final grades follow from raw ones.
 *
 * Grades that stay are seen here. The few that change go through Moodle's own code, because it does more with them than with
 * totals: feedback files, completion.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class raw_step implements step {
    /**
     * Take an item.
     *
     * @param \grade_item $item
     */
    public function __construct(
        /** @var \grade_item The item. */
        private readonly \grade_item $item,
    ) {
    }

    #[\Override]
    public function apply(sheet $sheet, engine $engine): void {
        $id = (int) $this->item->id;
        $plain = $this->item->gradetype == GRADE_TYPE_VALUE && $this->item->multfactor == 1 && $this->item->plusfactor == 0;
        $min = (float) $this->item->grademin;
        $max = (float) $this->item->grademax;
        foreach ($sheet->raws[$id] as $place => $raw) {
            if ($sheet->fixed[$id][$place] === "\1") {
                continue;
            }
            $old = $sheet->grades[$id][$place];
            $rowmin = $sheet->minima[$id][$place];
            $rowmax = $sheet->maxima[$id][$place];
            if ($plain && $raw === $old && ($raw === null || ($rowmin === $min && $rowmax === $max && $raw >= $min && $raw <= $max && $min < $max))) {
                continue;
            }
            $new = $this->item->adjust_raw_grade($raw, $rowmin, $rowmax);
            $new = $new === null ? null : (float) $new;
            if (grade_floats_different($old, $new)) {
                $sheet->readjusted[$id][$place] = $new;
                $sheet->grades[$id][$place] = $new === null ? null : number::decimal(number::round($new));
            }
        }
    }

    #[\Override]
    public function source(): string {
        return 'system';
    }

    #[\Override]
    public function actor(): ?int {
        return base::USER_OTHER;
    }
}
