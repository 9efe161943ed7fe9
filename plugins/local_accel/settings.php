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
        $settings->add(new admin_setting_heading(
            'local_accel/pool',
            new lang_string('pool', 'local_accel'),
            new lang_string('pool_desc', 'local_accel'),
        ));
        $settings->add(new admin_setting_configtext(
            'local_accel/poolthreads',
            new lang_string('poolthreads', 'local_accel'),
            new lang_string('poolthreads_desc', 'local_accel'),
            2,
            '/^([1-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-6])$/',
        ));
        $settings->add(new admin_setting_configtext(
            'local_accel/poolrate',
            new lang_string('poolrate', 'local_accel'),
            new lang_string('poolrate_desc', 'local_accel'),
            50,
            '/^[0-9]{1,6}$/',
        ));
        $settings->add(new admin_setting_configduration(
            'local_accel/poolduration',
            new lang_string('poolduration', 'local_accel'),
            new lang_string('poolduration_desc', 'local_accel'),
            HOURSECS,
        ));
        $settings->add(new admin_setting_configduration(
            'local_accel/poolinterval',
            new lang_string('poolinterval', 'local_accel'),
            new lang_string('poolinterval_desc', 'local_accel'),
            WEEKSECS,
        ));
        $settings->add(new admin_setting_configduration(
            'local_accel/poolgrace',
            new lang_string('poolgrace', 'local_accel'),
            new lang_string('poolgrace_desc', 'local_accel'),
            DAYSECS,
        ));
    }
}
