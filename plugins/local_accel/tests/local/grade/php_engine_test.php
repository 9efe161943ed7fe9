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

use PHPUnit\Framework\Attributes\CoversClass;

require_once(__DIR__ . '/engine_testcase.php');

/**
 * Tests of the engine in PHP.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(php_engine::class)]
#[CoversClass(aggregation::class)]
#[CoversClass(interpreter::class)]
final class php_engine_test extends engine_testcase {
    #[\Override]
    protected function engine(): engine {
        return new php_engine();
    }
}
