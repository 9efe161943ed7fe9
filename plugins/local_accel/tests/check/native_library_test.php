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

namespace local_accel\check;

use core\check\result;
use local_accel\hasher;
use local_accel\hook_callbacks;
use local_accel\local\hash\algorithm;
use local_accel\refusal_report;
use local_accel\tests\built_library;
use PHPUnit\Framework\Attributes\CoversClass;

/**
 * Tests of the status check, which need Moodle.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(native_library::class)]
#[CoversClass(hook_callbacks::class)]
#[CoversClass(refusal_report::class)]
final class native_library_test extends \advanced_testcase {
    public function test_a_site_without_native_library_is_told_so_and_is_not_in_trouble(): void {
        $this->resetAfterTest();
        if (glob(dirname(__DIR__, 2) . '/native/*/*.so')) {
            $this->markTestSkipped('the plugin carries its libraries here');
        }
        $result = (new native_library())->get_result();
        $this->assertSame(result::INFO, $result->get_status());
        $this->assertStringContainsString('Native library absent', $result->get_summary());
    }

    public function test_a_configured_library_that_does_not_exist_is_a_warning_that_names_it(): void {
        $this->resetAfterTest();
        set_config('librarypath', '/nonexistent/lib<b>.so', 'local_accel');
        $result = (new native_library())->get_result();
        $this->assertSame(result::WARNING, $result->get_status());
        $this->assertStringContainsString('/nonexistent/lib&lt;b&gt;.so', $result->get_details());
    }

    public function test_a_library_without_checksum_is_a_warning_that_says_what_is_missing(): void {
        $this->resetAfterTest();
        set_config('librarypath', __FILE__, 'local_accel');
        $result = (new native_library())->get_result();
        $this->assertSame(result::WARNING, $result->get_status());
        $this->assertStringContainsString('native_library_test.php.sha256', $result->get_details());
    }

    public function test_a_library_that_is_loaded_is_said_to_be_used_and_hashes_for_other_plugins(): void {
        $this->resetAfterTest();
        set_config('librarypath', built_library::install(make_request_directory()), 'local_accel');
        $result = (new native_library())->get_result();
        $this->assertSame(result::OK, $result->get_status(), $result->get_summary());
        $this->assertStringContainsString('SHA256', $result->get_details());
        $content = random_bytes(100000);
        $this->assertSame(sha1($content), \core\di::get(hasher::class)->string(algorithm::SHA1, $content));
    }

    public function test_no_library_is_looked_for_when_the_php_engine_is_chosen(): void {
        $this->resetAfterTest();
        set_config('engine', 'php', 'local_accel');
        set_config('librarypath', '/nonexistent', 'local_accel');
        $this->assertSame(result::OK, (new native_library())->get_result()->get_status());
    }

    public function test_the_plugin_offers_the_check_to_the_status_report(): void {
        $classes = array_map(get_class(...), \core\check\manager::get_checks('status'));
        $this->assertContains(native_library::class, $classes);
    }
}
