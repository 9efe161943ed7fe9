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

namespace local_accel\local;

use PHPUnit\Framework\Attributes\CoversClass;

/**
 * Tests of the search for the native library, in a folder of its own.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(library_locator::class)]
final class library_locator_test extends \basic_testcase {
    /** @var string A plugin folder made for one test. */
    private string $plugindir;

    #[\Override]
    protected function setUp(): void {
        parent::setUp();
        $this->plugindir = sys_get_temp_dir() . '/local_accel_' . bin2hex(random_bytes(8));
        mkdir($this->plugindir . '/native/linux-x86_64-gnu', 0700, true);
    }

    #[\Override]
    protected function tearDown(): void {
        $files = new \RecursiveIteratorIterator(
            new \RecursiveDirectoryIterator($this->plugindir, \FilesystemIterator::SKIP_DOTS),
            \RecursiveIteratorIterator::CHILD_FIRST,
        );
        foreach ($files as $file) {
            $file->isDir() ? rmdir($file->getPathname()) : unlink($file->getPathname());
        }
        rmdir($this->plugindir);
        parent::tearDown();
    }

    /**
     * Look for the library of a platform.
     *
     * @param string $configuredpath
     * @param platform $platform
     * @return library
     */
    private function locate(
        string $configuredpath = '',
        platform $platform = new platform('linux', 'x86_64', 'gnu'),
    ): library {
        return (new library_locator($this->plugindir, $platform, $configuredpath))->locate();
    }

    public function test_a_library_that_is_not_there_is_absent_and_its_path_is_named(): void {
        $expected = $this->plugindir . '/native/linux-x86_64-gnu/libaccel_ffi.so';
        $this->assertEquals(new library(library_state::ABSENT, $expected, false), $this->locate());
    }

    public function test_a_readable_file_in_the_folder_of_the_platform_is_present(): void {
        $path = $this->plugindir . '/native/linux-x86_64-gnu/libaccel_ffi.so';
        touch($path);
        $this->assertEquals(new library(library_state::PRESENT, $path, false), $this->locate());
        $musl = $this->locate('', new platform('linux', 'x86_64', 'musl'));
        $this->assertSame(library_state::ABSENT, $musl->state);
    }

    public function test_platforms_without_a_library_have_no_path(): void {
        $platforms = [
            new platform('windows', 'x86_64', 'unknown'),
            new platform('darwin', 'aarch64', 'unknown'),
            new platform('linux', 'riscv64', 'gnu'),
            new platform('linux', 'x86_64', 'unknown'),
        ];
        foreach ($platforms as $platform) {
            $expected = new library(library_state::UNSUPPORTED, null, false);
            $this->assertEquals($expected, $this->locate('', $platform), $platform->name());
        }
    }

    public function test_a_configured_path_is_used_on_any_platform_and_instead_of_the_plugins_own(): void {
        touch($this->plugindir . '/native/linux-x86_64-gnu/libaccel_ffi.so');
        $path = $this->plugindir . '/mine.so';
        $this->assertEquals(new library(library_state::ABSENT, $path, true), $this->locate($path));
        touch($path);
        $present = new library(library_state::PRESENT, $path, true);
        $this->assertEquals($present, $this->locate(" {$path}\n"));
        $this->assertEquals($present, $this->locate($path, new platform('freebsd', 'x86_64', 'unknown')));
    }

    public function test_a_folder_in_its_place_is_unreadable(): void {
        $this->assertSame(library_state::UNREADABLE, $this->locate($this->plugindir)->state);
    }

    public function test_a_file_that_may_not_be_read_is_unreadable(): void {
        $path = $this->plugindir . '/forbidden.so';
        touch($path);
        chmod($path, 0);
        if (is_readable($path)) {
            $this->markTestSkipped('this user may read any file');
        }
        $this->assertSame(library_state::UNREADABLE, $this->locate($path)->state);
    }
}
