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

/**
 * What a native library must have been built for: operating system, processor and C library.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class platform {
    /** Names of processors that mean the same. */
    private const ARCHITECTURES = ['amd64' => 'x86_64', 'arm64' => 'aarch64'];

    /**
     * Describe a platform.
     *
     * @param string $os operating system family in lower case, such as linux
     * @param string $architecture processor, such as x86_64 or aarch64
     * @param string $libc C library: gnu, musl or unknown
     */
    public function __construct(
        /** @var string Operating system family in lower case, such as linux. */
        public string $os,
        /** @var string Processor, such as x86_64 or aarch64. */
        public string $architecture,
        /** @var string C library: gnu, musl or unknown. */
        public string $libc,
    ) {
    }

    /**
     * Return the platform of the running process. Where open_basedir hides /proc, the C library is unknown.
     *
     * @return self
     */
    public static function current(): self {
        return self::from_facts(PHP_OS_FAMILY, php_uname('m'), (string) @file_get_contents('/proc/self/maps'));
    }

    /**
     * Return the platform that these facts describe.
     *
     * @param string $osfamily as PHP_OS_FAMILY has it
     * @param string $machine as php_uname('m') has it
     * @param string $maps the files mapped into the process, as Linux lists them in /proc/self/maps
     * @return self
     */
    public static function from_facts(string $osfamily, string $machine, string $maps): self {
        $machine = strtolower($machine);
        $libc = match (true) {
            preg_match('~/ld-musl-[^/\n]*$~m', $maps) === 1 => 'musl',
            preg_match('~/libc(-2\.\d+)?\.so(\.6)?$~m', $maps) === 1 => 'gnu',
            default => 'unknown',
        };
        return new self(strtolower($osfamily), self::ARCHITECTURES[$machine] ?? $machine, $libc);
    }

    /**
     * Return the name by which libraries are filed, such as linux-x86_64-gnu.
     *
     * @return string
     */
    public function name(): string {
        return "{$this->os}-{$this->architecture}-{$this->libc}";
    }
}
