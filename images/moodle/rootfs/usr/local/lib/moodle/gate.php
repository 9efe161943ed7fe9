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
 * Whether the site is open to visitors.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace moodle_image;

require_once(__DIR__ . '/settings.php');
require_once(__DIR__ . '/page.php');

/**
 * The gate of the site: while its page is there, nginx answers everything but the probes with it.
 */
final readonly class gate {
    /** The page that visitors get while the gate is closed. */
    private const PAGE = settings::RUN . '/closed.html';

    /**
     * May visitors come in?
     *
     * @return bool
     */
    public function is_open(): bool {
        clearstatcache();
        return !is_file(self::PAGE);
    }

    /**
     * Let nobody in.
     *
     * @param string $reason a sentence that says why
     */
    public function close(string $reason): void {
        $page = page::saying($reason);
        if (is_file(self::PAGE) && file_get_contents(self::PAGE) === $page) {
            return;
        }
        file_put_contents(self::PAGE . '.new', $page);
        rename(self::PAGE . '.new', self::PAGE);
        fwrite(STDERR, "moodle: closed to visitors: {$reason}\n");
    }

    /**
     * Let visitors in.
     */
    public function open(): void {
        @unlink(settings::RUN . '/starting');
        @unlink(self::PAGE);
        fwrite(STDERR, "moodle: open to visitors\n");
    }
}
