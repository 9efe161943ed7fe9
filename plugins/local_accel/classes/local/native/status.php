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
 * What a call of the native library came to: AccelStatus in native/accel.h.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
enum status: int {
    /** All went well. */
    case OK = 0;

    /** A pointer is NULL that must not be. */
    case NULL_POINTER = -1;

    /** An argument has a value that makes no sense. */
    case BAD_ARGUMENT = -2;

    /** The buffer is too small for the result. */
    case BUFFER_TOO_SMALL = -3;

    /** A file or folder that must be there is not. */
    case NOT_FOUND = -4;

    /** A file is there that must not be. */
    case EXISTS = -5;

    /** The operating system refused to read or write. */
    case IO = -6;

    /** A defect of the library: it panicked. */
    case PANIC = -7;

    /** The library leaves the work to PHP, since its own result might differ. */
    case LEFT_TO_PHP = -8;

    /** The library returned a code that this version of the plugin does not know, or PHP could not make the call. */
    case UNKNOWN = -1000;
}
