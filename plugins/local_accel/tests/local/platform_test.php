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
 * Tests of the platform's name.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(platform::class)]
final class platform_test extends \basic_testcase {
    /** Lines of /proc/self/maps on Debian and on Alpine. */
    private const GNU = "7f01-7f02 r-xp 0000 08:01 12  /usr/lib/x86_64-linux-gnu/libc.so.6\n"
        . "7f03-7f04 r-xp 0000 08:01 13  /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n";
    /** The same on a distribution with an older GNU C library. */
    private const OLD_GNU = "7f01-7f02 r-xp 0000 08:01 12  /lib/x86_64-linux-gnu/libc-2.31.so\n";
    /** The same on Alpine with its glibc compatibility layer. */
    private const MUSL = "7f01-7f02 r-xp 0000 08:01 12  /lib/ld-musl-x86_64.so.1\n"
        . "7f03-7f04 r-xp 0000 08:01 13  /lib/libgcompat.so.0\n";

    public function test_the_name_joins_system_processor_and_c_library(): void {
        $this->assertSame('linux-x86_64-gnu', platform::from_facts('Linux', 'x86_64', self::GNU)->name());
        $this->assertSame('linux-x86_64-gnu', platform::from_facts('Linux', 'x86_64', self::OLD_GNU)->name());
        $this->assertSame('linux-aarch64-musl', platform::from_facts('Linux', 'aarch64', self::MUSL)->name());
    }

    public function test_processors_with_two_names_have_one(): void {
        $this->assertSame('x86_64', platform::from_facts('Windows', 'AMD64', '')->architecture);
        $this->assertSame('aarch64', platform::from_facts('Darwin', 'arm64', '')->architecture);
        $this->assertSame('riscv64', platform::from_facts('Linux', 'riscv64', self::GNU)->architecture);
    }

    public function test_a_c_library_that_cannot_be_seen_is_unknown(): void {
        $this->assertSame('unknown', platform::from_facts('Linux', 'x86_64', '')->libc);
        $this->assertSame('unknown', platform::from_facts('Linux', 'x86_64', "7f01-7f02 r-xp /srv/libc.so.6/x\n")->libc);
    }

    public function test_the_running_process_has_the_platform_of_php(): void {
        $platform = platform::current();
        $this->assertSame(strtolower(PHP_OS_FAMILY), $platform->os);
        if (is_readable('/proc/self/maps')) {
            $this->assertContains($platform->libc, ['gnu', 'musl']);
        }
    }
}
