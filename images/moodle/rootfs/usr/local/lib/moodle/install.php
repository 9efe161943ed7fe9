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
 * Part of moodle-install: runs Moodle's installer with what the environment says, so that no password is an argument.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

// phpcs:disable moodle.Files.RequireLogin
// phpcs:disable moodle.Files.MoodleInternal
require_once(__DIR__ . '/settings.php');

(static function (): void {
    $settings = \moodle_image\settings::read();
    $options = [
        'agree-license' => null,
        'lang' => $settings->text('LANG'),
        'adminuser' => $settings->text('ADMIN_USER'),
        'adminpass' => $settings->text('ADMIN_PASSWORD'),
        'adminemail' => $settings->text('ADMIN_EMAIL'),
        'fullname' => $settings->text('SITE_NAME'),
        'shortname' => $settings->text('SITE_SHORTNAME'),
    ];
    $arguments = ['admin/cli/install_database.php'];
    foreach ($options as $name => $value) {
        if ($value !== '') {
            $arguments[] = $value === null ? "--{$name}" : "--{$name}={$value}";
        }
    }
    $GLOBALS['argv'] = $_SERVER['argv'] = $arguments;
})();
require('/var/www/moodle/admin/cli/install_database.php');
