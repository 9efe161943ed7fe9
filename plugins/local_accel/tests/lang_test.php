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

use local_accel\local\hash\engine_name;
use local_accel\local\hash\operation;
use local_accel\local\native\refusal;
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
        $files = ['settings.php', ...$this->code_in("{$root}/classes"), ...$this->code_in("{$root}/cli")];
        $count = 0;
        foreach ($files as $file) {
            $code = file_get_contents(str_starts_with($file, '/') ? $file : "{$root}/{$file}");
            $count += preg_match_all("~string\\(\\s*'([a-z_:]+)',\\s*'local_accel'~", $code, $uses);
            foreach ($uses[1] as $name) {
                $this->assertArrayHasKey($name, $strings, $file);
            }
        }
        $this->assertGreaterThan(10, $count);
        foreach (['checknative_library', 'pluginname', 'privacy:metadata'] as $name) {
            $this->assertArrayHasKey($name, $strings);
        }
    }

    public function test_every_reason_engine_and_operation_has_its_strings(): void {
        $strings = $this->strings();
        foreach ([...array_column(refusal::cases(), 'value'), 'configuredabsent'] as $reason) {
            $this->assertArrayHasKey("library_{$reason}", $strings);
            $this->assertArrayHasKey("library_{$reason}_details", $strings);
        }
        foreach (engine_name::cases() as $engine) {
            $this->assertArrayHasKey("engine_{$engine->value}", $strings);
        }
        foreach (operation::cases() as $operation) {
            $this->assertArrayHasKey("operation_{$operation->value}", $strings);
        }
    }

    /**
     * Return the PHP files of a folder.
     *
     * @param string $folder
     * @return string[] their paths
     */
    private function code_in(string $folder): array {
        $paths = [];
        foreach (new \RecursiveIteratorIterator(new \RecursiveDirectoryIterator($folder)) as $file) {
            if ($file->getExtension() === 'php') {
                $paths[] = $file->getPathname();
            }
        }
        return $paths;
    }
}
