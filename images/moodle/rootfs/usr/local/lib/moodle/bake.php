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
 * Part of moodle-bake: writes what Moodle would find out about its code at run time.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

use moodle_image\cache_definitions;
use moodle_image\settings;

define('CLI_SCRIPT', true);
define('ABORT_AFTER_CONFIG', true);
define('CACHE_DISABLE_ALL', true);
define('IGNORE_COMPONENT_CACHE', true);

require_once(__DIR__ . '/settings.php');

$CFG = new stdClass();
$CFG->wwwroot = 'http://localhost';
$CFG->dataroot = sys_get_temp_dir();
$CFG->admin = 'admin';
require('/var/www/moodle/public/lib/setup.php');
require_once("{$CFG->libdir}/setuplib.php");
require_once("{$CFG->libdir}/moodlelib.php");
require_once(__DIR__ . '/cache_definitions.php');

(static function (): void {
    global $CFG;
    $release = $branch = null;
    require("{$CFG->dirroot}/version.php");
    $facts = [
        'release' => $release,
        'branch' => $branch,
        'versionshash' => core_component::get_all_versions_hash(),
        'versions' => array_map(strval(...), core_component::get_all_versions()),
    ];
    $files = [
        'code.php' => '<?php return ' . var_export($facts, true) . ";\n",
        'core_component.php' => core_component::get_cache_content(),
        'cache_definitions.php' => '<?php return ' . var_export(cache_definitions::all(), true) . ";\n",
    ];
    foreach ($files as $name => $content) {
        file_put_contents(settings::BAKED . "/{$name}", $content);
    }
    echo "moodle-bake: Moodle {$release}, {$facts['versionshash']}\n";
})();
