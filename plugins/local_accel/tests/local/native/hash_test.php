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

use local_accel\local\hash\algorithm;
use local_accel\tests\built_library;
use local_accel\tests\temporary_folder;
use PHPUnit\Framework\Attributes\CoversClass;

/**
 * Tests of digests from the native library, with a library that was really built.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(hash::class)]
#[CoversClass(hash_stream::class)]
#[CoversClass(handle::class)]
#[CoversClass(native_error::class)]
final class hash_test extends \basic_testcase {
    use temporary_folder;

    /**
     * Return the native digests.
     *
     * @return hash
     */
    private function hash(): hash {
        return new hash(built_library::handle($this->folder));
    }

    /**
     * Return the error of a call.
     *
     * @param callable $call
     * @return native_error
     */
    private function error_of(callable $call): native_error {
        try {
            $call();
        } catch (native_error $error) {
            return $error;
        }
        $this->fail('the call did not fail');
    }

    public function test_strings_have_the_digests_that_php_gives(): void {
        $hash = $this->hash();
        foreach (algorithm::cases() as $algorithm) {
            foreach ([...range(0, 130), 4095, 1048577] as $length) {
                $content = $length === 0 ? '' : random_bytes($length);
                $this->assertSame(hash($algorithm->value, $content), $hash->string($algorithm, $content), "{$length} bytes");
            }
        }
    }

    public function test_files_have_the_digests_that_php_gives(): void {
        $hash = $this->hash();
        foreach ([0, 1, 131071, 131072, 300001] as $length) {
            $path = "{$this->folder}/Öffentlich {$length}";
            file_put_contents($path, $length === 0 ? '' : random_bytes($length));
            foreach (algorithm::cases() as $algorithm) {
                $this->assertSame(hash_file($algorithm->value, $path), $hash->file($algorithm, $path));
            }
        }
    }

    public function test_content_piece_by_piece_has_the_digest_of_the_whole_and_a_hasher_begins_anew(): void {
        $hash = $this->hash();
        foreach (algorithm::cases() as $algorithm) {
            $stream = $hash->stream($algorithm);
            $this->assertSame(hash($algorithm->value, ''), $stream->finish());
            $content = random_bytes(10000);
            foreach (str_split($content, 77) as $piece) {
                $stream->update($piece);
                $stream->update('');
            }
            $this->assertSame(hash($algorithm->value, $content), $stream->finish());
            $stream->update('abc');
            $this->assertSame(hash($algorithm->value, 'abc'), $stream->finish());
        }
    }

    public function test_hashers_are_freed(): void {
        $hash = $this->hash();
        $peak = null;
        for ($count = 0; $count < 200000; $count++) {
            $hash->stream(algorithm::SHA256)->update('x');
            if ($count === 1000) {
                $peak = getrusage()['ru_maxrss'];
            }
        }
        $this->assertLessThan($peak + 4096, getrusage()['ru_maxrss'], 'kilobytes');
    }

    public function test_a_copy_has_the_content_the_mode_and_the_digest(): void {
        $hash = $this->hash();
        $content = random_bytes(300001);
        file_put_contents("{$this->folder}/source", $content);
        $umask = umask(0077);
        $copied = $hash->copy("{$this->folder}/source", "{$this->folder}/target", 0664);
        umask($umask);
        $this->assertSame([sha1($content), strlen($content)], $copied);
        $this->assertStringEqualsFile("{$this->folder}/target", $content);
        clearstatcache();
        $this->assertSame(0664, fileperms("{$this->folder}/target") & 0777);
    }

    public function test_a_copy_never_overwrites(): void {
        $hash = $this->hash();
        file_put_contents("{$this->folder}/source", 'new');
        file_put_contents("{$this->folder}/target", 'old');
        symlink("{$this->folder}/elsewhere", "{$this->folder}/link");
        foreach (['target', 'link'] as $target) {
            $error = $this->error_of(fn() => $hash->copy("{$this->folder}/source", "{$this->folder}/{$target}", 0644));
            $this->assertSame(status::EXISTS, $error->status);
            $this->assertStringContainsString("{$this->folder}/{$target}", $error->getMessage());
        }
        $this->assertStringEqualsFile("{$this->folder}/target", 'old');
        $this->assertFileDoesNotExist("{$this->folder}/elsewhere");
    }

    public function test_a_copy_that_fails_leaves_nothing(): void {
        $hash = $this->hash();
        mkdir("{$this->folder}/directory");
        $error = $this->error_of(fn() => $hash->copy("{$this->folder}/directory", "{$this->folder}/target", 0644));
        $this->assertSame(status::IO, $error->status);
        $this->assertFileDoesNotExist("{$this->folder}/target");
        $error = $this->error_of(fn() => $hash->copy("{$this->folder}/none", "{$this->folder}/target", 0644));
        $this->assertSame(status::NOT_FOUND, $error->status);
        $this->assertFileDoesNotExist("{$this->folder}/target");
    }

    public function test_errors_name_what_they_are_about(): void {
        $hash = $this->hash();
        $error = $this->error_of(fn() => $hash->file(algorithm::SHA1, "{$this->folder}/none"));
        $this->assertSame(status::NOT_FOUND, $error->status);
        $this->assertSame(-4, $error->getCode());
        $this->assertStringContainsString("{$this->folder}/none", $error->getMessage());
        foreach (['', "nul\0byte"] as $path) {
            $error = $this->error_of(fn() => $hash->file(algorithm::SHA1, $path));
            $this->assertSame(status::BAD_ARGUMENT, $error->status);
        }
        $error = $this->error_of(fn() => $hash->copy(__FILE__, "{$this->folder}/target", 0100644));
        $this->assertSame(status::BAD_ARGUMENT, $error->status);
    }

    public function test_a_long_error_is_cut_at_a_character(): void {
        $hash = $this->hash();
        $error = $this->error_of(fn() => $hash->file(algorithm::SHA1, '/' . str_repeat('ü', 2000)));
        $this->assertLessThanOrEqual(1024, strlen($error->getMessage()));
        $this->assertGreaterThan(1000, strlen($error->getMessage()));
        $this->assertTrue(mb_check_encoding($error->getMessage(), 'UTF-8'));
    }

    public function test_a_panic_becomes_an_exception_and_the_library_stays_usable(): void {
        $hash = $this->hash();
        $stream = $hash->stream(algorithm::SHA1);
        built_library::arm("{$this->folder}/libaccel_ffi.so", true);
        $calls = [
            fn() => $hash->string(algorithm::SHA1, 'abc'),
            fn() => $hash->file(algorithm::SHA1, __FILE__),
            fn() => $hash->stream(algorithm::SHA1),
            fn() => $hash->copy(__FILE__, "{$this->folder}/target", 0644),
            fn() => $stream->update('abc'),
            fn() => $stream->finish(),
        ];
        foreach ($calls as $call) {
            $error = $this->error_of($call);
            $this->assertSame(status::PANIC, $error->status);
            $this->assertStringContainsString('a fault that a test asked for', $error->getMessage());
        }
        built_library::arm("{$this->folder}/libaccel_ffi.so", false);
        $this->assertSame(sha1('abc'), $hash->string(algorithm::SHA1, 'abc'));
        $this->assertSame(sha1(''), $stream->finish());
    }

    public function test_sha_instructions_are_told_as_linux_tells_them(): void {
        $facts = (string) @file_get_contents('/proc/cpuinfo');
        if (php_uname('m') !== 'x86_64' || $facts === '') {
            $this->markTestSkipped('this system does not tell of its processor in a way that the test knows');
        }
        $this->assertSame(preg_match('~^flags\b.* sha_ni\b~m', $facts) === 1, $this->hash()->has_instructions());
    }
}
