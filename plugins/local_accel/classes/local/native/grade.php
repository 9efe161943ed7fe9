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

namespace local_accel\local\native;

/**
 * The library's grade kernels. Columns are strings of doubles in the machine's own form, or of bytes.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class grade {
    /** The status of a calculation that the library leaves to PHP. */
    private const LEFT_TO_PHP = -8;

    /** How many bytes describe an item. */
    private const ITEM_BYTES = 40;

    /**
     * Take the library.
     *
     * @param handle $handle
     */
    public function __construct(
        /** @var handle The library. */
        private handle $handle,
    ) {
    }

    /**
     * Aggregate the grades of all users in a category.
     *
     * @param array<string, int|float> $category the fields of AccelCategory
     * @param string $settings by item: minimum, maximum, coefficient, weight, and 1 or 0 for an overridden weight; doubles
     * @param string $grades by item and user, NaN for none; doubles
     * @param string $flags by item and user; bytes
     * @param string $minima by item and user; doubles
     * @param string $maxima by item and user; doubles
     * @param string $active by user; bytes
     * @return array{string, string, string, float, float} totals, then minima, then maxima by user as doubles; statuses by item
     *     and user as bytes; weights by item and user as doubles; the bounds that are carried on. NaN is what Moodle does not write
     * @throws native_error if columns do not fit
     */
    public function aggregate(
        array $category,
        string $settings,
        string $grades,
        string $flags,
        string $minima,
        string $maxima,
        string $active,
    ): array {
        // The sizes of what the library writes follow from what it reads.
        $users = strlen($active);
        $items = intdiv(strlen($settings), self::ITEM_BYTES);
        $ffi = $this->handle->ffi;
        $parameters = $ffi->new('AccelCategory');
        foreach ($category as $field => $value) {
            $parameters->$field = $value;
        }
        // A buffer of no bytes cannot be allocated.
        $cells = max($users * $items, 1);
        $totals = $ffi->new('double[' . max($users * 3, 1) . ']');
        $statuses = $ffi->new("uint8_t[$cells]");
        $weights = $ffi->new("double[$cells]");
        $this->handle->check($ffi->accel_grade_aggregate(
            \FFI::addr($parameters),
            $users,
            $settings,
            strlen($settings),
            $grades,
            strlen($grades),
            $flags,
            strlen($flags),
            $minima,
            strlen($minima),
            $maxima,
            strlen($maxima),
            $active,
            strlen($active),
            $totals,
            $statuses,
            $weights,
        ));
        return [
            \FFI::string($totals, $users * 24),
            \FFI::string($statuses, $users * $items),
            \FFI::string($weights, $users * $items * 8),
            $parameters->min,
            $parameters->max,
        ];
    }

    /**
     * Evaluate a calculation for all users.
     *
     * @param string $calculation with its equals sign
     * @param list<string> $variables
     * @param int $phpversion PHP_VERSION_ID
     * @param string $columns by variable and user, NaN for no grade; doubles
     * @param string $active by user; bytes
     * @return array{string, string}|null results by user as doubles, and a byte per user that is not zero where there is none;
     *     null if the calculation is left to PHP
     * @throws native_error if columns do not fit
     */
    public function evaluate(
        string $calculation,
        array $variables,
        int $phpversion,
        string $columns,
        string $active,
    ): ?array {
        $users = strlen($active);
        $ffi = $this->handle->ffi;
        $names = implode(',', $variables);
        $results = $ffi->new('double[' . max($users, 1) . ']');
        $failed = $ffi->new('uint8_t[' . max($users, 1) . ']');
        $status = $ffi->accel_grade_evaluate(
            $calculation,
            strlen($calculation),
            $names,
            strlen($names),
            $phpversion,
            $users,
            $columns,
            strlen($columns),
            $active,
            strlen($active),
            $results,
            $failed,
        );
        if ($status === self::LEFT_TO_PHP) {
            return null;
        }
        $this->handle->check($status);
        return [\FFI::string($results, $users * 8), \FFI::string($failed, $users)];
    }
}
