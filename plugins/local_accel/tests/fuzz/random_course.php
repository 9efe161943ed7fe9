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

namespace local_accel\fuzz;

/**
 * A random gradebook, as plain data: what {@see trial} builds, and takes apart to find out what matters.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class random_course {
    /** @var int[] The codes of Moodle's ways to aggregate. */
    private const METHODS = [0, 2, 4, 6, 8, 10, 11, 12, 13, 13, 13];

    /**
     * Draw a gradebook.
     *
     * @param int $seed the same seed gives the same gradebook
     * @return array with the keys settings, categories, items and grades
     */
    public static function draw(int $seed): array {
        mt_srand($seed);
        $spec = ['settings' => self::settings(), 'categories' => [], 'items' => [], 'grades' => []];
        $categories = mt_rand(1, 6);
        for ($at = 0; $at < $categories; $at++) {
            $spec['categories'][$at] = self::category($at);
        }
        $items = mt_rand(1, 14);
        for ($at = 0; $at < $items; $at++) {
            $spec['items'][$at] = self::item($categories, $at);
        }
        $users = mt_rand(1, 9);
        $density = mt_rand(2, 10);
        for ($user = 0; $user < $users; $user++) {
            foreach ($spec['items'] as $at => $item) {
                if (mt_rand(1, 10) <= $density) {
                    $spec['grades'][] = ['user' => $user, 'on' => "i{$at}"] + self::grade($item);
                }
            }
            foreach ($spec['categories'] as $at => $category) {
                if (self::chance(12)) {
                    $spec['grades'][] = ['user' => $user, 'on' => "c{$at}"] + self::total();
                }
            }
        }
        return $spec;
    }

    /**
     * Draw changes of a gradebook's grades: what happens between two regrades.
     *
     * @param array $spec
     * @param int $seed
     * @return array grades, as in a gradebook
     */
    public static function changes(array $spec, int $seed): array {
        mt_srand($seed);
        $changes = [];
        $users = max([-1, ...array_column($spec['grades'], 'user')]) + 1;
        foreach ($spec['items'] as $at => $item) {
            for ($user = 0; $user < $users; $user++) {
                if (self::chance(15)) {
                    $changes[] = ['user' => $user, 'on' => "i{$at}"] + self::grade($item);
                }
            }
        }
        return $changes;
    }

    /**
     * Draw what holds for the site and the course.
     *
     * @return array
     */
    private static function settings(): array {
        return [
            'unlimitedgrades' => (int) self::chance(15),
            'grade_includescalesinaggregation' => (int) self::chance(60),
            'enableoutcomes' => (int) self::chance(50),
            'grade_minmaxtouse' => self::chance(30) ? 2 : 1,
            'freeze' => self::chance(75) ? 0 : self::one([20150619, 20150627, 20160511]),
        ];
    }

    /**
     * Draw a category; the first is the course's.
     *
     * @param int $at
     * @return array
     */
    private static function category(int $at): array {
        return [
            'parent' => $at === 0 ? null : mt_rand(0, $at - 1),
            'aggregation' => self::one(self::METHODS),
            'droplow' => self::chance(25) ? mt_rand(1, 3) : 0,
            'keephigh' => self::chance(20) ? mt_rand(1, 4) : 0,
            'aggregateonlygraded' => (int) self::chance(60),
            'aggregateoutcomes' => (int) self::chance(40),
            'gradetype' => self::chance(90) ? 1 : self::one([0, 2, 3]),
            'grademin' => self::chance(85) ? 0 : self::one([-5, 10, 2.5]),
            'grademax' => self::one([100, 100, 10, 55.5, 33.33333]),
            'locked' => (int) self::chance(4),
            'hidden' => (int) self::chance(10),
        ] + self::part() + ['calculation' => $at > 0 && self::chance(8) || self::chance(2)];
    }

    /**
     * Draw an item.
     *
     * @param int $categories
     * @param int $at
     * @return array
     */
    private static function item(int $categories, int $at): array {
        $type = self::one(['manual', 'manual', 'mod', 'mod', 'scale', 'text', 'outcome', 'formula']);
        if ($at === 0 && $type === 'formula') {
            $type = 'manual';
        }
        $max = self::one([100, 100, 10, 5, 20, 50.5, 0, 33.33333, 1]);
        return [
            'type' => $type,
            'category' => mt_rand(0, $categories - 1),
            'grademin' => self::chance(85) ? 0 : self::one([-10, 2, -0.5]),
            'grademax' => $max,
            'multfactor' => self::chance(90) ? 1 : self::one([0.5, 1.33333, 2]),
            'plusfactor' => self::chance(90) ? 0 : self::one([1, -2.5, 0.33333]),
            'locked' => (int) self::chance(5),
            'hidden' => (int) self::chance(10),
            'needsupdate' => (int) self::chance(70),
            'calculation' => $type === 'formula',
        ] + self::part();
    }

    /**
     * Draw how an item or a category takes part in the one above it.
     *
     * @return array
     */
    private static function part(): array {
        return [
            'aggregationcoef' => self::one([0, 0, 0, 1, 1, 2, 0.5, 3.33333, -1]),
            'aggregationcoef2' => self::one([0, 0, 0.25, 0.5, 0.33333, 1, 1.5]),
            'weightoverride' => (int) self::chance(25),
        ];
    }

    /**
     * Draw a user's grade in an item.
     *
     * @param array $item
     * @return array
     */
    private static function grade(array $item): array {
        $low = $item['grademin'];
        $high = max($item['grademax'], $low);
        $grade = match (true) {
            self::chance(15) => null,
            self::chance(30) => $low,
            self::chance(20) => $high,
            self::chance(30) => round($low + ($high - $low) * mt_rand(0, 4) / 4, 5),
            default => round($low + ($high - $low) * mt_rand() / mt_getrandmax(), 5),
        };
        if ($item['type'] === 'scale' || $item['type'] === 'outcome') {
            $grade = self::chance(15) ? null : mt_rand(1, 4);
        }
        return [
            'final' => $grade,
            'raw' => self::chance(85) ? $grade : (self::chance(50) ? null : round(mt_rand(0, 12000) / 100, 5)),
            'rawmin' => self::chance(90) ? $item['grademin'] : 1,
            'rawmax' => self::chance(85) ? $item['grademax'] : self::one([100, 40, 0]),
            'excluded' => (int) self::chance(8),
            'overridden' => (int) self::chance(6),
            'locked' => (int) self::chance(5),
            'hidden' => (int) self::chance(5),
            'feedback' => self::chance(10) ? 'Well done' : null,
            'status' => self::one(['unknown', 'unknown', 'used', 'novalue', 'dropped', 'extra']),
            'weight' => self::chance(50) ? null : self::one([0, 0.5, 0.33333, 1]),
        ];
    }

    /**
     * Draw a total that is there before.
     *
     * @return array
     */
    private static function total(): array {
        return [
            'final' => self::chance(20) ? null : round(mt_rand(0, 10000) / 99, 5),
            'raw' => null,
            'rawmin' => 0,
            'rawmax' => self::one([100, 100, 50, 12.5]),
            'excluded' => (int) self::chance(10),
            'overridden' => (int) self::chance(30),
            'locked' => (int) self::chance(10),
            'hidden' => (int) self::chance(10),
            'feedback' => self::chance(30) ? 'A total' : null,
            'status' => self::one(['unknown', 'used', 'dropped']),
            'weight' => self::chance(50) ? null : 0.25,
        ];
    }

    /**
     * Draw yes or no.
     *
     * @param int $percent
     * @return bool
     */
    private static function chance(int $percent): bool {
        return mt_rand(1, 100) <= $percent;
    }

    /**
     * Draw one of some values.
     *
     * @param array $values
     * @return mixed
     */
    private static function one(array $values): mixed {
        return $values[mt_rand(0, count($values) - 1)];
    }
}
