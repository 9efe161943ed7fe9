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
 * Regrades a course within PHP's memory limit as it is, and tells the peak.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
define('CLI_SCRIPT', true);

require(__DIR__ . '/../../../../config.php');
require_once($CFG->libdir . '/clilib.php');

use local_accel\engines;
use local_accel\regrade\regrader;

[$options] = cli_get_params(['course' => 0, 'engine' => 'auto']);
\core\session\manager::set_user(get_admin());
$CFG->extramemorylimit = '256M';
$outcome = (new regrader($DB, engines::grade($options['engine'])))->regrade((int) $options['course']);
cli_writeln(json_encode(['megabytes' => memory_get_peak_usage(true) / 1048576, 'limit' => ini_get('memory_limit')] + $outcome->jsonSerialize()));
