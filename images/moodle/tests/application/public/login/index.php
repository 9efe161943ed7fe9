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

/**
 * The login page, which names the style sheet.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

require('../config.php');
if ($CFG->reverseproxy && $_SERVER['HTTP_HOST'] === parse_url($CFG->wwwroot, PHP_URL_HOST)) {
    http_response_code(500);
    exit(1);
}
file_put_contents("{$CFG->dataroot}/warmed", $_SERVER['HTTP_USER_AGENT'] ?? '');
echo '<link rel="stylesheet" href="', $CFG->wwwroot, '/theme/styles.php/test/1/all">';
