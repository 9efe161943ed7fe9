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
 * Sessions in Redis, with an understandable page when it does not answer.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace moodle_image;

require_once(__DIR__ . '/settings.php');

/**
 * Moodle's own session handler. Where that fails, Moodle shows visitors the name of the host and says nothing of use.
 */
final class redis_session extends \core\session\redis {
    #[\Override]
    public function init(): bool {
        try {
            return parent::init();
        } catch (\RedisException | \RedisClusterException $error) {
            error_log("sessions: {$error->getMessage()}");
            http_response_code(503);
            header('Content-Type: text/html; charset=utf-8');
            header('Cache-Control: no-store');
            header('Retry-After: 10');
            echo page::saying('The store of sessions does not answer.');
            exit(1);
        }
    }
}
