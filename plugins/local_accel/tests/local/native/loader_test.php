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

namespace local_accel\local\native;

use local_accel\local\library;
use local_accel\local\library_file;
use local_accel\local\library_locator;
use local_accel\local\library_state;
use local_accel\local\platform;
use local_accel\tests\built_library;
use local_accel\tests\temporary_folder;
use PHPUnit\Framework\Attributes\CoversClass;

/**
 * Tests of loading the native library, with a library that was really built.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(loader::class)]
#[CoversClass(handle::class)]
#[CoversClass(outcome::class)]
#[CoversClass(library_file::class)]
final class loader_test extends \basic_testcase {
    use temporary_folder;

    /**
     * Load the library at a path that a person configured.
     *
     * @param string $path
     * @return outcome
     */
    private function load(string $path): outcome {
        $locator = new library_locator($this->folder, platform::current(), $path);
        return (new loader(true, $locator->locate(), false))->load();
    }

    /**
     * Build a library from C source.
     *
     * @param string $source
     * @return string its path
     */
    private function compile(string $source): string {
        exec('command -v cc', $output, $code);
        if ($code !== 0) {
            $this->markTestSkipped('there is no C compiler');
        }
        file_put_contents("{$this->folder}/other.c", $source);
        $path = "{$this->folder}/other.so";
        exec('cc -shared -fPIC -o ' . escapeshellarg($path) . ' ' . escapeshellarg("{$this->folder}/other.c"), $output, $code);
        $this->assertSame(0, $code);
        built_library::write_checksum($path);
        return $path;
    }

    public function test_a_library_with_its_checksum_is_loaded_and_has_a_version(): void {
        $outcome = $this->load(built_library::install($this->folder));
        $this->assertSame('', $outcome->detail);
        $this->assertNull($outcome->refusal);
        $this->assertMatchesRegularExpression('~\A[0-9]+\.[0-9]+\.[0-9]+\z~', $outcome->handle->version());
    }

    public function test_what_loading_came_to_is_kept_for_the_process(): void {
        $path = built_library::install($this->folder);
        $outcome = $this->load($path);
        unlink("{$path}.sha256");
        $this->assertSame($outcome, $this->load($path));
    }

    public function test_no_library_is_touched_when_the_settings_choose_php(): void {
        $library = new library(library_state::PRESENT, built_library::install($this->folder), true);
        $loader = new loader(false, $library, false);
        $this->assertSame(refusal::DISABLED, $loader->load()->refusal);
        $this->assertNull($loader->handle());
    }

    public function test_a_library_that_is_not_there_is_refused(): void {
        $this->assertSame(refusal::ABSENT, $this->load("{$this->folder}/none.so")->refusal);
    }

    public function test_a_folder_in_its_place_is_refused(): void {
        $this->assertSame(refusal::UNREADABLE, $this->load($this->folder)->refusal);
    }

    public function test_a_platform_without_library_is_told(): void {
        $locator = new library_locator($this->folder, new platform('plan9', 'mips', 'unknown'));
        $this->assertSame(refusal::UNSUPPORTED, (new loader(true, $locator->locate(), false))->load()->refusal);
    }

    public function test_a_library_without_checksum_is_refused(): void {
        $path = built_library::install($this->folder);
        unlink("{$path}.sha256");
        $this->assertSame(refusal::CHECKSUM_ABSENT, $this->load($path)->refusal);
    }

    public function test_a_checksum_file_that_is_none_or_another_librarys_is_refused(): void {
        $right = hash_file('sha256', built_library::path());
        $lines = [
            '',
            "{$right}\n",
            "{$right}  other.so\n",
            "{$right}  libaccel_ffi.so\n{$right}  libaccel_ffi.so\n",
            strtoupper($right) . "  libaccel_ffi.so\n",
            substr($right, 1) . "  libaccel_ffi.so\n",
        ];
        foreach ($lines as $number => $line) {
            mkdir("{$this->folder}/{$number}");
            $path = built_library::install("{$this->folder}/{$number}");
            file_put_contents("{$path}.sha256", $line);
            $this->assertSame(refusal::CHECKSUM_MALFORMED, $this->load($path)->refusal, $line);
        }
    }

    public function test_all_forms_that_sha256sum_writes_are_understood(): void {
        $right = hash_file('sha256', built_library::path());
        foreach (["{$right} *libaccel_ffi.so\n", "{$right}  ./native/libaccel_ffi.so\n", "{$right}  libaccel_ffi.so"] as $line) {
            $path = built_library::install($this->folder);
            file_put_contents("{$path}.sha256", $line);
            $this->assertNull(loader::inspect(new library(library_state::PRESENT, $path, true)), $line);
        }
    }

    public function test_a_changed_library_is_refused(): void {
        $path = built_library::install($this->folder);
        $bytes = file_get_contents($path);
        $middle = intdiv(strlen($bytes), 2);
        $bytes[$middle] = $bytes[$middle] ^ "\x01";
        file_put_contents($path, $bytes);
        $this->assertSame(refusal::CHECKSUM_WRONG, $this->load($path)->refusal);
    }

    public function test_a_library_that_is_cut_off_anywhere_is_refused_even_with_a_checksum_of_what_is_left(): void {
        $whole = file_get_contents(built_library::path());
        foreach ([0, 3, 63, 64, 4096, intdiv(strlen($whole), 2), strlen($whole) - 1] as $length) {
            $path = "{$this->folder}/{$length}.so";
            file_put_contents($path, substr($whole, 0, $length));
            built_library::write_checksum($path);
            $this->assertSame(refusal::TRUNCATED, $this->load($path)->refusal, "{$length} bytes");
        }
    }

    public function test_a_file_that_is_no_library_is_refused_with_what_the_system_says(): void {
        built_library::path();
        $path = "{$this->folder}/text.so";
        file_put_contents($path, str_repeat('no library', 100));
        built_library::write_checksum($path);
        $outcome = $this->load($path);
        $this->assertSame(refusal::UNLOADABLE, $outcome->refusal);
        $this->assertStringContainsString('text.so', $outcome->detail);
    }

    public function test_a_library_with_another_abi_is_refused_with_its_number(): void {
        built_library::path();
        $outcome = $this->load($this->compile('unsigned accel_abi_version(void) { return 99; }'));
        $this->assertSame(refusal::ABI_WRONG, $outcome->refusal);
        $this->assertSame('99', $outcome->detail);
    }

    public function test_a_library_of_someone_else_is_refused(): void {
        built_library::path();
        $outcome = $this->load($this->compile('int unrelated(void) { return 0; }'));
        $this->assertSame(refusal::ABI_WRONG, $outcome->refusal);
        $this->assertStringContainsString('accel_abi_version', $outcome->detail);
    }

    public function test_a_library_that_lacks_a_function_is_refused(): void {
        built_library::path();
        $source = 'unsigned accel_abi_version(void) { return ' . handle::ABI_VERSION . '; }';
        $outcome = $this->load($this->compile($source));
        $this->assertSame(refusal::ABI_WRONG, $outcome->refusal);
        $this->assertStringContainsString('accel_', $outcome->detail);
    }

    public function test_a_page_gets_no_library_that_was_not_preloaded(): void {
        $library = new library(library_state::PRESENT, built_library::install($this->folder), true);
        $outcome = (new loader(true, $library, true))->load();
        $this->assertSame(refusal::FFI_RESTRICTED, $outcome->refusal);
        $this->assertStringContainsString(loader::SCOPE, $outcome->detail);
    }

    /**
     * Say what loading comes to in another process.
     *
     * @param string[] $options of PHP
     * @return string
     */
    private function refusal_in_process(array $options): string {
        $path = built_library::install($this->folder);
        $command = [PHP_BINARY, ...$options, dirname(__DIR__, 2) . '/fixtures/load.php', $path];
        exec(implode(' ', array_map(escapeshellarg(...), $command)) . ' 2>&1', $lines);
        return implode("\n", $lines);
    }

    public function test_php_with_ffi_turned_off_is_told_apart(): void {
        $this->assertSame('ffirestricted', $this->refusal_in_process(['-d', 'ffi.enable=0']));
        $this->assertSame('loaded', $this->refusal_in_process(['-d', 'ffi.enable=preload']));
    }

    public function test_php_without_the_ffi_extension_is_told_apart(): void {
        exec(escapeshellarg(PHP_BINARY) . ' -n -m', $modules);
        if (in_array('FFI', $modules, true)) {
            $this->markTestSkipped('FFI is built into this PHP');
        }
        $this->assertSame('ffiabsent', $this->refusal_in_process(['-n']));
    }

    public function test_the_codes_of_the_library_are_all_known(): void {
        built_library::path();
        $declarations = file_get_contents(dirname(__DIR__, 3) . '/native/accel.h');
        preg_match_all('~ACCEL_STATUS_([A-Z_]+) = (-?[0-9]+)~', $declarations, $codes);
        $known = array_column(status::cases(), 'value', 'name');
        unset($known['UNKNOWN']);
        $this->assertSame($known, array_map(intval(...), array_combine($codes[1], $codes[2])));
    }
}
