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
 * The grades of some users in all items of a course, a column per item, and what has changed in them.
 *
 * Columns are keyed by the id of the item; places within them by the user's place in the sheet.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class sheet {
    /** @var int How many users there are. */
    public readonly int $count;

    /** @var array<int, int> The place of each user by id. */
    public readonly array $places;

    /** @var array<int, list<int>> The ids of rows, 0 where there is none. */
    public array $ids = [];

    /** @var array<int, list<float|null>> Grades as the database has them. */
    public array $grades = [];

    /** @var array<int, list<float>> The rows' minima. */
    public array $minima = [];

    /** @var array<int, list<float>> The rows' maxima. */
    public array $maxima = [];

    /** @var array<int, string> A byte per user, of the bits of {@see \local_accel\local\grade\batch}. */
    public array $flags = [];

    /** @var array<int, string> A byte per user: "\1" where the grade is locked or overridden. */
    public array $fixed = [];

    /** @var array<int, list<string>> How rows took part, in Moodle's words. */
    public array $statuses = [];

    /** @var array<int, list<float|null>> The weights of rows. */
    public array $weights = [];

    /** @var array<int, array<int, true>> Places whose status or weight has changed. */
    public array $restated = [];

    /** @var array<int, array<int, array{?float, float, float}>> Places whose grade or bounds have changed: what they were. */
    public array $regraded = [];

    /** @var array<int, array<int, array{int, float, float}>> Places that have got a row: its number, and its first bounds. */
    public array $inserted = [];

    /** @var int How many rows have been inserted. */
    private int $insertions = 0;

    /**
     * Make an empty sheet.
     *
     * @param list<int> $users the ids of users, ascending
     * @param list<int> $items the ids of the course's items
     */
    public function __construct(
        /** @var list<int> The ids of users, ascending. */
        public readonly array $users,
        array $items,
    ) {
        $this->count = count($users);
        $this->places = array_flip($users);
        foreach ($items as $item) {
            $this->ids[$item] = array_fill(0, $this->count, 0);
            $this->grades[$item] = $this->weights[$item] = array_fill(0, $this->count, null);
            $this->minima[$item] = $this->maxima[$item] = array_fill(0, $this->count, 0.0);
            $this->flags[$item] = $this->fixed[$item] = str_repeat("\0", $this->count);
            $this->statuses[$item] = array_fill(0, $this->count, 'unknown');
        }
    }

    /**
     * Take a row of the database in.
     *
     * @param \stdClass $row with the columns of {@see store::COLUMNS}
     * @throws left_to_core if its grade is not a number
     * @throws conflict if its user has come since the sheet was made
     */
    public function take(\stdClass $row): void {
        $item = (int) $row->itemid;
        $place = $this->places[$row->userid] ?? throw new conflict();
        $this->ids[$item][$place] = (int) $row->id;
        if ($row->finalgrade === 'NaN') {
            throw new left_to_core(reason::NOT_A_NUMBER, "row {$row->id}");
        }
        if ($row->finalgrade !== null) {
            $this->grades[$item][$place] = (float) $row->finalgrade;
        }
        $this->minima[$item][$place] = (float) $row->rawgrademin;
        $this->maxima[$item][$place] = (float) $row->rawgrademax;
        $this->flags[$item][$place] = empty($row->excluded) ? "\1" : "\3";
        if (!empty($row->locked) || !empty($row->overridden)) {
            $this->fixed[$item][$place] = "\1";
        }
        $this->statuses[$item][$place] = $row->aggregationstatus;
        if ($row->aggregationweight !== null) {
            $this->weights[$item][$place] = (float) $row->aggregationweight;
        }
    }

    /**
     * Tell which users have a row for one of some items.
     *
     * @param list<int> $items
     * @return string a byte per user: "\1" for those who have
     */
    public function present(array $items): string {
        $present = str_repeat("\0", $this->count);
        foreach ($items as $item) {
            $present |= $this->flags[$item];
        }
        return $present & str_repeat("\1", $this->count);
    }

    /**
     * Give users a row without a grade where they have none.
     *
     * @param int $item
     * @param string $which a byte per user: "\1" for those who get one
     * @param float $min the row's minimum
     * @param float $max the row's maximum
     */
    public function insert(int $item, string $which, float $min, float $max): void {
        $which &= ~$this->flags[$item];
        for ($place = strpos($which, "\1"); $place !== false; $place = strpos($which, "\1", $place + 1)) {
            $this->inserted[$item][$place] = [++$this->insertions, $min, $max];
                $this->flags[$item][$place] = "\1";
            $this->minima[$item][$place] = $min;
            $this->maxima[$item][$place] = $max;
        }
    }

    /**
     * Give a row another grade and other bounds.
     *
     * @param int $item
     * @param int $place
     * @param float|null $grade as the database will have it
     * @param float $min as the database will have it
     * @param float $max as the database will have it
     */
    public function regrade(int $item, int $place, ?float $grade, float $min, float $max): void {
        $this->regraded[$item][$place] = [
            $this->grades[$item][$place],
            $this->minima[$item][$place],
            $this->maxima[$item][$place],
        ];
        $this->grades[$item][$place] = $grade;
        $this->minima[$item][$place] = $min;
        $this->maxima[$item][$place] = $max;
    }

    /**
     * Give a row another status and weight.
     *
     * @param int $item
     * @param int $place
     * @param string $status
     * @param float|null $weight as the database will have it
     */
    public function restate(int $item, int $place, string $status, ?float $weight): void {
        $this->restated[$item][$place] = true;
        $this->statuses[$item][$place] = $status;
        $this->weights[$item][$place] = $weight;
    }

    /**
     * Return when a user's row for an item came, as a number to compare.
     *
     * @param int $item
     * @param int $place
     * @return int the id of a row that was there, a higher number for one that has been inserted, the highest for none
     */
    public function age(int $item, int $place): int {
        return $this->ids[$item][$place] ?: (PHP_INT_MAX >> 1) + ($this->inserted[$item][$place][0] ?? PHP_INT_MAX >> 1);
    }
}
