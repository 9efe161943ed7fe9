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
 * Warms a container up before its first visitor.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace moodle_image;

require_once(__DIR__ . '/settings.php');

/**
 * The first requests of a container, made by itself: code is compiled, caches and the theme's CSS are filled.
 */
final readonly class warmer {
    /** Seconds that all of it may take; a slow site is opened cold rather than late. */
    private const LIMIT = 2.0;

    /**
     * Make a warmer.
     *
     * @param settings $settings
     */
    public function __construct(
        /** @var settings The container's settings. */
        private settings $settings,
    ) {
    }

    /**
     * Ask for the login page and for the style sheets that it names.
     */
    public function warm(): void {
        $until = microtime(true) + self::LIMIT;
        $page = $this->get('/login/index.php', $until);
        preg_match_all('~<link[^>]+href="([^"]+/theme/styles\.php/[^"]+)"~', $page, $found);
        foreach ($found[1] as $address) {
            $this->get((string) parse_url(html_entity_decode($address), PHP_URL_PATH), $until);
        }
    }

    /**
     * Return the answer to a request, as far as it came in time.
     *
     * @param string $path
     * @param float $until in seconds since the epoch
     * @return string
     */
    private function get(string $path, float $until): string {
        $socket = @stream_socket_client('unix://' . settings::RUN . '/inner.sock', $code, $message, 1);
        if ($socket === false) {
            return '';
        }
        // Behind a proxy with a name of its own Moodle refuses who asks for the site's.
        $host = $this->settings->on('REVERSEPROXY') ? 'localhost' : preg_replace('~^https?://~', '', $this->settings->text('WWWROOT'));
        fwrite($socket, "GET {$path} HTTP/1.0\r\nHost: {$host}\r\nUser-Agent: moodle-keeper\r\nConnection: close\r\n\r\n");
        $answer = '';
        while (!feof($socket) && ($left = $until - microtime(true)) > 0) {
            stream_set_timeout($socket, (int) $left, (int) (fmod($left, 1) * 1e6));
            $answer .= fread($socket, 65536);
        }
        fclose($socket);
        $status = preg_match('~^HTTP/\S+ (\d+)~', $answer, $found) === 1 ? "is answered with {$found[1]}" : 'is not answered in time';
        if (($found[1] ?? '') !== '200') {
            fwrite(STDERR, "moodle: warming up: {$path} {$status}\n");
        }
        return $answer;
    }
}
