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
 * Admin settings of local_accel.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

defined('MOODLE_INTERNAL') || die();

if ($hassiteconfig) {
    $settings = new admin_settingpage('local_accel', new lang_string('pluginname', 'local_accel'));
    $ADMIN->add('localplugins', $settings);

    if ($ADMIN->fulltree) {
        $settings->add(new admin_setting_configselect(
            'local_accel/engine',
            new lang_string('engine', 'local_accel'),
            new lang_string('engine_desc', 'local_accel'),
            'auto',
            [
                'auto' => new lang_string('engine_auto', 'local_accel'),
                'php' => new lang_string('engine_php', 'local_accel'),
            ],
        ));
        $settings->add(new admin_setting_configcheckbox(
            'local_accel/regrade',
            new lang_string('regrade', 'local_accel'),
            new lang_string('regrade_desc', 'local_accel'),
            1,
        ));
        $settings->add(new admin_setting_configfile(
            'local_accel/librarypath',
            new lang_string('librarypath', 'local_accel'),
            new lang_string('librarypath_desc', 'local_accel'),
            '',
        ));
    }
}
