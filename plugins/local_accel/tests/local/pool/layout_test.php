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

namespace local_accel\local\pool;

use PHPUnit\Framework\Attributes\CoversClass;

/**
 * Tests of names and units of a pool.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(layout::class)]
final class layout_test extends \basic_testcase {
    public function test_an_object_lies_in_the_folders_of_its_first_four_digits(): void {
        $this->assertSame('da/39/' . layout::EMPTY_HASH, layout::path(sha1('')));
    }

    public function test_units_are_named_by_ranges_and_read_back(): void {
        $this->assertSame('00-ff,root', layout::format_units(layout::units()));
        $this->assertSame([0, 1, 2, 218, 256], layout::parse_units(' root,DA, 00-02'));
        foreach ([[], [0], [1, 2, 3, 7, 256], [255, 256], layout::units()] as $units) {
            $names = layout::format_units($units);
            $this->assertSame($units, $units === [] ? [] : layout::parse_units($names), $names);
        }
    }

    public function test_what_is_no_unit_is_refused_with_the_part_that_is_wrong(): void {
        foreach (['' => '', '0' => '0', '00,zz' => 'zz', '05-01' => '05-01', '00-' => '00-', '100' => '100'] as $names => $part) {
            try {
                layout::parse_units((string) $names);
                $this->fail("{$names} was taken");
            } catch (\InvalidArgumentException $error) {
                $this->assertSame((string) $part, $error->getMessage());
            }
        }
    }

    public function test_only_the_names_that_moodle_gives_are_names(): void {
        $hash = sha1('content');
        $this->assertSame($hash, layout::hash_of($hash));
        foreach ([strtoupper($hash), substr($hash, 1), "{$hash}\n", "{$hash}.tmp"] as $name) {
            $this->assertNull(layout::hash_of($name));
        }
        $this->assertTrue(layout::is_temporary("{$hash}.tmp"));
        $this->assertFalse(layout::is_temporary('notes.tmp'));
        $this->assertTrue(layout::is_folder('0a'));
        $this->assertFalse(layout::is_folder('0A'));
    }
}
