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

namespace local_accel;

use core\hook\di_configuration;
use PHPUnit\Framework\Attributes\CoversClass;

/**
 * Tests of the services that the plugin offers to \core\di, which need Moodle.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(hook_callbacks::class)]
final class hook_callbacks_test extends \advanced_testcase {
    public function test_the_services_work_when_they_are_compiled_as_a_production_site_does(): void {
        global $CFG;
        require_once("{$CFG->libdir}/php-di/php-di/src/functions.php");
        $builder = new \DI\ContainerBuilder();
        $builder->enableCompilation(make_request_directory(), 'local_accel_compiled_container');
        hook_callbacks::configure_di(new di_configuration($builder));
        $this->assertInstanceOf(hasher::class, $builder->build()->get(hasher::class));
    }
}
