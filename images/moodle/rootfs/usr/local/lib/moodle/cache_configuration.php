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
 * The cache configuration (MUC), from the environment.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

// Moodle includes this file and reads $configuration; it keeps its own copy in the container's tmpfs if it has to change it.
use moodle_image\settings;

require_once(__DIR__ . '/settings.php');

$configuration = (static function (): array {
    $settings = settings::read();
    $hash = substr(settings::code()['versionshash'], 0, 12);
    $definitions = $settings->on('DEV') ? [] : require(settings::BAKED . '/cache_definitions.php');

    $application = ['name' => 'default_application', 'plugin' => 'file', 'configuration' => [], 'features' => 30, 'modes' => 3, 'default' => true];
    $session = ['name' => 'default_session', 'plugin' => 'session', 'configuration' => [], 'features' => 14, 'modes' => 2, 'default' => true];
    $request = ['name' => 'default_request', 'plugin' => 'static', 'configuration' => [], 'features' => 31, 'modes' => 4, 'default' => true];
    $stores = ['default_application' => $application, 'default_session' => $session, 'default_request' => $request];
    $shared = 'default_application';
    $ofsession = 'default_session';
    if ($settings->text('REDIS_HOST') !== '') {
        $shared = $ofsession = 'redis';
        $stores['redis'] = [
            'name' => 'redis',
            'plugin' => 'redis',
            'configuration' => [
                'server' => $settings->text('REDIS_HOST') . ':' . $settings->text('REDIS_PORT'),
                'password' => $settings->text('REDIS_PASSWORD'),
                'prefix' => $settings->site() . "{$hash}_",
                'serializer' => 2,
                'compressor' => 0,
                'connectiontimeout' => 3,
            ],
            'features' => 26,
            'modes' => 3,
        ];
    }
    $local = [];
    if (PHP_SAPI !== 'cli') {
        $stores['local'] = [
            'name' => 'local', 'plugin' => 'apcu', 'configuration' => ['prefix' => 'muc_'], 'features' => 4, 'modes' => 3,
        ];
        foreach ($definitions as $id => $definition) {
            if (!empty($definition['canuselocalstore']) && $definition['mode'] === 1) {
                $local[] = ['definition' => $id, 'store' => 'local', 'sort' => 1];
                $local[] = ['definition' => $id, 'store' => $shared, 'sort' => 0];
            }
        }
    }
    return [
        'siteidentifier' => hash('sha256', $settings->site() . $hash),
        'stores' => $stores,
        'modemappings' => [
            ['mode' => 1, 'store' => $shared, 'sort' => -1],
            ['mode' => 2, 'store' => $ofsession, 'sort' => -1],
            ['mode' => 4, 'store' => 'default_request', 'sort' => -1],
        ],
        'definitions' => $definitions,
        'definitionmappings' => $local,
        'locks' => [
            'default_file_lock' => [
                'name' => 'cachelock_file_default', 'type' => 'cachelock_file', 'dir' => 'filelocks', 'default' => true,
            ],
        ],
    ];
})();
