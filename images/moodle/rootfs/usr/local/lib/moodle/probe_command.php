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
 * Part of moodle-probe: prints what is asked for; the exit code is 0 if all is well and 1 if not.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

use moodle_image\probe;
use moodle_image\settings;

require_once(__DIR__ . '/probe.php');

$probe = new probe(settings::read());
if (($argv[1] ?? '') === 'install') {
    echo $state = $probe->installation(), "\n";
    exit(in_array($state, ['installed', 'empty'], true) ? 0 : 1);
}
if (($argv[1] ?? '') === 'claim') {
    $probe->claim();
    exit(0);
}
if (($argv[1] ?? '') === 'upgrade') {
    $newer = $probe->newer();
    echo $newer === '' ? '' : "{$newer}\n";
    exit($newer === '' ? 0 : 1);
}
$result = match ($argv[1] ?? '') {
    'livez' => $probe->live(),
    'readyz' => $probe->ready(),
    'tasks' => $probe->tasks(),
    default => null,
};
if ($result === null) {
    fwrite(STDERR, "usage: moodle-probe livez|readyz\n");
    exit(64);
}
echo json_encode(['status' => $result['status'], 'checks' => (object) $result['checks']], JSON_UNESCAPED_SLASHES), "\n";
exit($result['status'] === 'ok' ? 0 : 1);
