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
 * Why the native library is not used.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
enum refusal: string {
    /** The site's settings choose the PHP engine. */
    case DISABLED = 'disabled';

    /** No native library is meant for the platform. */
    case UNSUPPORTED = 'unsupported';

    /** There is no library at its path. */
    case ABSENT = 'absent';

    /** There is something at its path that is not a readable file. */
    case UNREADABLE = 'unreadable';

    /** There is no readable file with the library's SHA-256 beside it. */
    case CHECKSUM_ABSENT = 'checksumabsent';

    /** The file beside the library holds no SHA-256 of it. */
    case CHECKSUM_MALFORMED = 'checksummalformed';

    /** The library is cut off. */
    case TRUNCATED = 'truncated';

    /** The library does not have the SHA-256 that the file beside it says. */
    case CHECKSUM_WRONG = 'checksumwrong';

    /** The library has another ABI than this plugin, or is not ours at all. */
    case ABI_WRONG = 'abiwrong';

    /** The operating system cannot load the library. */
    case UNLOADABLE = 'unloadable';

    /** PHP has no FFI extension. */
    case FFI_ABSENT = 'ffiabsent';

    /** PHP allows no FFI here: a web page without preloading, or ffi.enable is off. */
    case FFI_RESTRICTED = 'ffirestricted';
}
