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
 * Sets $CFG from the environment; config.php requires it.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

// phpcs:disable moodle.Files.MoodleInternal
use moodle_image\settings;

require_once(__DIR__ . '/settings.php');

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'moodle_image\\')) {
        require_once(__DIR__ . '/' . substr($class, strlen('moodle_image\\')) . '.php');
    }
});

(static function (stdClass $CFG): void {
    $settings = settings::read();
    if ($settings->problems !== []) {
        foreach ($settings->problems as $problem) {
            error_log("configuration: {$problem}");
        }
        if (PHP_SAPI !== 'cli') {
            http_response_code(503);
            header('Content-Type: text/plain; charset=utf-8');
            header('Retry-After: 60');
            echo "This site is not set up. Its administrator finds the reason in the container's log.\n";
        }
        exit(78);
    }
    $developing = $settings->on('DEV');
    $code = settings::code();

    $CFG->wwwroot = $settings->text('WWWROOT');
    $CFG->sslproxy = $settings->on('SSLPROXY');
    $CFG->reverseproxy = $settings->on('REVERSEPROXY');
    $CFG->routerconfigured = true;
    $CFG->slasharguments = true;
    $CFG->admin = 'admin';

    $CFG->dbtype = $settings->text('DB_TYPE');
    $CFG->dblibrary = 'native';
    $CFG->dbhost = $settings->text('DB_HOST');
    $CFG->dbname = $settings->text('DB_NAME');
    $CFG->dbuser = $settings->text('DB_USER');
    $CFG->dbpass = $settings->text('DB_PASSWORD');
    $CFG->prefix = $settings->text('DB_PREFIX');
    $CFG->dboptions = ['dbpersist' => false, 'dbport' => $settings->text('DB_PORT')];
    if ($CFG->dbtype !== 'pgsql') {
        $CFG->dboptions['dbcollation'] = 'utf8mb4_unicode_ci';
    } else if ($settings->on('DB_PGBOUNCER')) {
        // A pooled connection keeps neither session options nor cursors nor advisory locks.
        $CFG->dboptions += ['dbhandlesoptions' => true, 'fetchbuffersize' => 0];
        $CFG->lock_factory = '\core\lock\db_record_lock_factory';
    }

    $CFG->dataroot = settings::DATAROOT;
    $CFG->directorypermissions = 02770;
    $CFG->localcachedir = settings::RUN . '/localcache';
    $CFG->localrequestdir = settings::RUN . '/request';
    if (!$developing) {
        // Two versions of the code must not share caches: each has its own folder, and its own keys in Redis.
        $CFG->cachedir = settings::DATAROOT . '/cache/' . substr($code['versionshash'], 0, 12);
        $CFG->alternative_component_cache = settings::BAKED . '/core_component.php';
    }
    $CFG->xsendfile = 'X-Accel-Redirect';
    $CFG->xsendfilealiases = ['/dataroot/' => $CFG->dataroot, '/localcachedir/' => $CFG->localcachedir];

    $CFG->altcacheconfigpath = settings::RUN . '/muc';
    if ($settings->text('REDIS_HOST') !== '') {
        $CFG->session_handler_class = '\moodle_image\redis_session';
        $CFG->session_redis_host = $settings->text('REDIS_HOST');
        $CFG->session_redis_port = (int) $settings->text('REDIS_PORT');
        $CFG->session_redis_auth = $settings->text('REDIS_PASSWORD');
        $CFG->session_redis_prefix = $settings->site() . 'session_';
        $CFG->session_redis_serializer_use_igbinary = true;
    } else {
        $CFG->session_handler_class = '\core\session\database';
    }

    foreach (['SMTP_HOSTS' => 'smtphosts', 'SMTP_USER' => 'smtpuser', 'SMTP_PASSWORD' => 'smtppass', 'NOREPLY' => 'noreplyaddress'] as $name => $key) {
        if ($settings->text($name) !== '') {
            $CFG->{$key} = $settings->text($name);
        }
    }

    // Code is part of the image: neither a page nor a setting may change it or name a program to run.
    $CFG->disableupdateautodeploy = true;
    $CFG->preventexecpath = true;
    $CFG->pathtophp = '/usr/bin/php';
    $CFG->pathtodu = '/usr/bin/du';

    if ($developing) {
        $CFG->debug = E_ALL;
        $CFG->debugdisplay = 1;
        $CFG->themedesignermode = false;
        $CFG->cachejs = false;
    }
    if ($settings->text('CONFIG_EXTRA') !== '') {
        require($settings->text('CONFIG_EXTRA'));
    }
})($CFG);
