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

namespace local_accel;

use PHPUnit\Framework\Attributes\CoversNothing;

/**
 * Tests of the English language strings.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversNothing]
final class lang_test extends \basic_testcase {
    /**
     * Return all strings.
     *
     * @return string[] by name
     */
    private function strings(): array {
        $string = [];
        require(dirname(__DIR__) . '/lang/en/local_accel.php');
        return $string;
    }

    public function test_strings_are_sorted_by_name(): void {
        $names = array_keys($this->strings());
        $sorted = $names;
        sort($sorted, SORT_STRING);
        $this->assertSame($sorted, $names);
    }

    public function test_every_string_named_in_the_code_exists(): void {
        $strings = $this->strings();
        $root = dirname(__DIR__);
        foreach (['settings.php', 'classes/check/native_library.php'] as $file) {
            $code = file_get_contents("{$root}/{$file}");
            $this->assertGreaterThan(0, preg_match_all("~string\\('([a-z_:]+)', 'local_accel'~", $code, $uses));
            foreach ($uses[1] as $name) {
                $this->assertArrayHasKey($name, $strings, $file);
            }
        }
        foreach (['absent', 'configuredabsent', 'present', 'unreadable', 'unsupported'] as $outcome) {
            $this->assertArrayHasKey("library_{$outcome}", $strings);
            $this->assertStringContainsString('{$a}', $strings["library_{$outcome}_details"]);
        }
        $this->assertArrayHasKey('privacy:metadata', $strings);
        $this->assertArrayHasKey('checknative_library', $strings);
    }
}
