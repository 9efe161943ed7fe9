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

namespace local_accel\tests;

use PHPUnit\Framework\Assert;

/**
 * A PHP-FPM of its own, on a socket in a folder of its own, and a FastCGI client for it.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class fpm {
    /** How long to wait for the server or an answer, in seconds. */
    private const PATIENCE = 60;

    /** Types of FastCGI records. */
    private const BEGIN_REQUEST = 1;
    private const PARAMS = 4;
    private const STDIN = 5;
    private const STDOUT = 6;
    private const END_REQUEST = 3;

    /** @var resource The server's process. */
    private $process;

    /**
     * Start a server.
     *
     * @param string $folder for its configuration, socket and log
     * @param string[] $ini lines of php.ini
     */
    public function __construct(
        /** @var string For its configuration, socket and log. */
        private readonly string $folder,
        array $ini,
    ) {
        mkdir("{$folder}/ini");
        file_put_contents("{$folder}/ini/local_accel.ini", implode("\n", $ini) . "\n");
        file_put_contents("{$folder}/fpm.conf", implode("\n", [
            '[global]',
            "error_log = {$folder}/fpm.log",
            'daemonize = no',
            '[www]',
            'user = ' . self::user(),
            "listen = {$folder}/fpm.sock",
            'pm = static',
            'pm.max_children = 1',
        ]) . "\n");
        $this->process = proc_open(
            [self::binary(), '--fpm-config', "{$folder}/fpm.conf"],
            [['file', '/dev/null', 'r'], ['file', "{$folder}/output", 'w'], ['file', "{$folder}/output", 'a']],
            $pipes,
            null,
            ['PHP_INI_SCAN_DIR' => ":{$folder}/ini", 'PATH' => getenv('PATH')],
        );
        $deadline = time() + self::PATIENCE;
        while (!file_exists("{$folder}/fpm.sock")) {
            Assert::assertTrue(proc_get_status($this->process)['running'] && time() < $deadline, $this->log());
            usleep(20000);
        }
    }

    /**
     * Return who the pool runs as: nobody special.
     *
     * @return string
     */
    public static function user(): string {
        if (!extension_loaded('posix')) {
            Assert::markTestSkipped('PHP has no posix extension');
        }
        return posix_geteuid() === 0 ? 'www-data' : posix_getpwuid(posix_geteuid())['name'];
    }

    /**
     * Return the server's program of the PHP version that runs the tests. Where there is none, the test is skipped.
     *
     * @return string
     */
    private static function binary(): string {
        $name = 'php-fpm' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;
        $folders = [...explode(':', (string) getenv('PATH')), '/usr/sbin', '/usr/local/sbin'];
        foreach ($folders as $folder) {
            if (is_executable("{$folder}/{$name}")) {
                exec(escapeshellarg("{$folder}/{$name}") . ' -m', $modules);
                if (array_diff(['FFI', 'Zend OPcache'], $modules) !== []) {
                    Assert::markTestSkipped("{$name} has no FFI or no OPcache");
                }
                return "{$folder}/{$name}";
            }
        }
        Assert::markTestSkipped("there is no {$name}");
    }

    /**
     * Stop the server.
     */
    public function stop(): void {
        proc_terminate($this->process);
        $deadline = time() + self::PATIENCE;
        while (proc_get_status($this->process)['running']) {
            if (time() >= $deadline) {
                proc_terminate($this->process, SIGKILL);
            }
            usleep(10000);
        }
        proc_close($this->process);
    }

    /**
     * Return what the server wrote.
     *
     * @return string
     */
    public function log(): string {
        return @file_get_contents("{$this->folder}/output") . @file_get_contents("{$this->folder}/fpm.log");
    }

    /**
     * Request a page.
     *
     * @param string $script its path
     * @param string $query its query string
     * @return string the answer with its header
     */
    public function get(string $script, string $query): string {
        $socket = stream_socket_client("unix://{$this->folder}/fpm.sock");
        stream_set_timeout($socket, self::PATIENCE);
        $params = ['REQUEST_METHOD' => 'GET', 'SCRIPT_FILENAME' => $script, 'QUERY_STRING' => $query];
        $pairs = '';
        foreach ($params as $name => $value) {
            $pairs .= pack('NN', strlen($name) | 0x80000000, strlen($value) | 0x80000000) . $name . $value;
        }
        fwrite(
            $socket,
            $this->record(self::BEGIN_REQUEST, pack('nx6', 1)) . $this->record(self::PARAMS, $pairs)
                . $this->record(self::PARAMS, '') . $this->record(self::STDIN, ''),
        );
        $answer = '';
        do {
            $header = unpack('Cversion/Ctype/nid/nlength/Cpadding', $this->read($socket, 8));
            $content = $this->read($socket, $header['length']);
            $this->read($socket, $header['padding']);
            $answer .= $header['type'] === self::STDOUT ? $content : '';
        } while ($header['type'] !== self::END_REQUEST);
        fclose($socket);
        return $answer;
    }

    /**
     * Return a FastCGI record.
     *
     * @param int $type
     * @param string $content
     * @return string
     */
    private function record(int $type, string $content): string {
        return pack('CCnnxx', 1, $type, 1, strlen($content)) . $content;
    }

    /**
     * Read exactly so many bytes.
     *
     * @param resource $socket
     * @param int $length
     * @return string
     */
    private function read($socket, int $length): string {
        $bytes = $length === 0 ? '' : stream_get_contents($socket, $length);
        Assert::assertSame($length, strlen((string) $bytes), $this->log());
        return $bytes;
    }
}
