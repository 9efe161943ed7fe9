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

namespace local_accel\local;

use local_accel\local\native\loader;
use local_accel\tests\built_library;
use local_accel\tests\fpm;
use local_accel\tests\temporary_folder;
use PHPUnit\Framework\Attributes\CoversClass;

/**
 * Tests of preloading with a PHP-FPM that serves pages.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(preload::class)]
#[CoversClass(loader::class)]
final class preload_test extends \basic_testcase {
    use temporary_folder;

    /**
     * Put the plugin and the library where any user can read them.
     *
     * @return preload
     */
    private function install(): preload {
        $library = built_library::install($this->folder);
        chmod($this->folder, 0755);
        foreach (['classes', 'native', 'tests/fixtures'] as $part) {
            $source = dirname(__DIR__, 2) . "/{$part}";
            foreach (new \RecursiveIteratorIterator(
                new \RecursiveDirectoryIterator($source, \FilesystemIterator::SKIP_DOTS),
            ) as $file) {
                $target = "{$this->folder}/plugin/{$part}" . substr($file->getPathname(), strlen($source));
                @mkdir(dirname($target), 0755, true);
                copy($file->getPathname(), $target);
            }
        }
        mkdir("{$this->folder}/preload", 0755);
        $preload = new preload("{$this->folder}/plugin", "{$this->folder}/preload");
        $preload->write($library);
        return $preload;
    }

    /**
     * Serve the page and return what it says.
     *
     * @param string[] $ini lines of php.ini
     * @return array
     */
    private function serve(array $ini): array {
        if (is_dir("{$this->folder}/ini")) {
            rename("{$this->folder}/ini", "{$this->folder}/ini" . bin2hex(random_bytes(4)));
        }
        $server = new fpm($this->folder, ['display_errors=1', 'error_reporting=-1', ...$ini]);
        try {
            $page = "{$this->folder}/plugin/tests/fixtures/page.php";
            $query = http_build_query(['library' => "{$this->folder}/libaccel_ffi.so"]);
            // A worker serves many requests: the second must find all as the first did.
            $first = $server->get($page, $query);
            $this->assertSame($first, $server->get($page, $query));
        } finally {
            $server->stop();
        }
        [, $body] = explode("\r\n\r\n", $first, 2);
        $answer = json_decode($body, true);
        $this->assertIsArray($answer, $first . $server->log());
        $this->assertSame(hash_file('sha1', $page), $answer['digest']);
        $this->assertNull($answer['warning']);
        return $answer;
    }

    public function test_a_page_uses_the_library_with_the_set_up_that_the_doctor_says(): void {
        $answer = $this->serve($this->install()->ini(fpm::user()));
        $this->assertNull($answer['refusal']);
        $this->assertSame('native', $answer['engine']);
        $this->assertMatchesRegularExpression('~\A[0-9.]+\z~', $answer['version']);
    }

    public function test_code_that_is_not_preloaded_stays_without_ffi(): void {
        $answer = $this->serve($this->install()->ini(fpm::user()));
        $this->assertStringContainsString('FFI API is restricted', $answer['own']);
    }

    public function test_a_page_works_without_any_set_up(): void {
        $this->install();
        $answer = $this->serve([]);
        $this->assertSame('ffirestricted', $answer['refusal']);
        $this->assertSame('php', $answer['engine']);
    }

    public function test_a_page_works_with_half_of_the_set_up(): void {
        $lines = $this->install()->ini(fpm::user());
        foreach (['~^ffi\.preload~', '~^opcache\.preload=~'] as $left) {
            $answer = $this->serve(preg_grep($left, $lines, PREG_GREP_INVERT));
            $this->assertSame('ffirestricted', $answer['refusal'], $left);
            $this->assertSame('php', $answer['engine'], $left);
        }
    }

    public function test_php_fpm_starts_and_pages_work_in_php_after_the_plugin_has_another_abi(): void {
        $lines = $this->install()->ini(fpm::user());
        $path = "{$this->folder}/plugin/classes/local/native/handle.php";
        $code = file_get_contents($path);
        file_put_contents($path, preg_replace('~ABI_VERSION = \d+;~', 'ABI_VERSION = 999;', $code, -1, $count));
        $this->assertSame(1, $count);
        unlink("{$this->folder}/libaccel_ffi.so");
        $answer = $this->serve($lines);
        $this->assertSame('abiwrong', $answer['refusal']);
        $this->assertSame('php', $answer['engine']);
    }

    public function test_php_fpm_starts_after_the_plugin_is_gone(): void {
        $lines = $this->install()->ini(fpm::user());
        rename("{$this->folder}/plugin", "{$this->folder}/elsewhere");
        $page = "{$this->folder}/page.php";
        file_put_contents($page, '<?php echo class_exists(\local_accel\local\native\handle::class) ? "there" : "gone";');
        $server = new fpm($this->folder, $lines);
        try {
            $this->assertStringEndsWith("\r\n\r\ngone", $server->get($page, ''));
        } finally {
            $server->stop();
        }
    }

    public function test_a_library_that_php_fpm_has_loaded_can_be_replaced(): void {
        $preload = $this->install();
        $server = new fpm($this->folder, $preload->ini(fpm::user()));
        try {
            $page = "{$this->folder}/plugin/tests/fixtures/page.php";
            $query = http_build_query(['library' => "{$this->folder}/libaccel_ffi.so"]);
            $before = $server->get($page, $query);
            $this->assertStringContainsString('"engine":"native"', $before);
            $preload->write("{$this->folder}/libaccel_ffi.so");
            $this->assertSame($before, $server->get($page, $query));
        } finally {
            $server->stop();
        }
    }

    public function test_a_file_that_cannot_be_written_is_named_and_nothing_is_left_of_it(): void {
        $preload = $this->install();
        unlink("{$this->folder}/preload/" . preload::SCRIPT);
        mkdir("{$this->folder}/preload/" . preload::SCRIPT);
        try {
            $preload->write("{$this->folder}/libaccel_ffi.so");
            $this->fail('a folder was overwritten');
        } catch (\RuntimeException $error) {
            $this->assertSame("{$this->folder}/preload/" . preload::SCRIPT, $error->getMessage());
        }
        $this->assertSame([], glob("{$this->folder}/preload/*.new"));
    }

    public function test_a_path_that_a_header_cannot_hold_is_refused(): void {
        foreach (["/a\"b", "/a\nb", '/a\\b'] as $path) {
            try {
                new preload('/plugin', $path);
                $this->fail($path);
            } catch (\InvalidArgumentException $error) {
                $this->assertStringContainsString($path, $error->getMessage());
            }
        }
    }

    public function test_every_class_that_uses_ffi_is_among_those_preloaded(): void {
        $root = dirname(__DIR__, 2) . '/classes';
        foreach (new \RecursiveIteratorIterator(new \RecursiveDirectoryIterator($root)) as $file) {
            if ($file->getExtension() === 'php' && !str_contains($file->getPathname(), '/local/native/')) {
                $this->assertStringNotContainsString('\FFI', file_get_contents($file->getPathname()), $file->getPathname());
            }
        }
    }
}
