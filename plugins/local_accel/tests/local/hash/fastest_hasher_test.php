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

namespace local_accel\local\hash;

use local_accel\local\library;
use local_accel\local\library_state;
use local_accel\local\native\hash;
use local_accel\local\native\loader;
use local_accel\tests\arming_filter;
use local_accel\tests\built_library;
use local_accel\tests\temporary_folder;
use PHPUnit\Framework\Attributes\CoversClass;

/**
 * Tests of the hash service with all three engines.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(fastest_hasher::class)]
#[CoversClass(ranking::class)]
#[CoversClass(native_engine::class)]
#[CoversClass(openssl_engine::class)]
#[CoversClass(php_engine::class)]
#[CoversClass(unreadable::class)]
final class fastest_hasher_test extends \basic_testcase {
    use temporary_folder;

    /** Sizes on both sides of everything that a choice or a buffer depends on. */
    private const SIZES = [0, 1, 63, 64, 255, 256, 512, 1023, 1024, 4095, 4096, 65536, 131073, 1048576, 1048577];

    /**
     * Return a hasher with all engines.
     *
     * @return fastest_hasher
     */
    private function hasher(): fastest_hasher {
        $library = new library(library_state::PRESENT, built_library::install($this->folder), true);
        return fastest_hasher::from(new loader(true, $library, false));
    }

    /**
     * Return a hasher on a site without the library.
     *
     * @return fastest_hasher
     */
    private function hasher_without_library(): fastest_hasher {
        return fastest_hasher::from(new loader(false, new library(library_state::ABSENT, null, false), false));
    }

    /**
     * Compare a hasher with PHP's own digests.
     *
     * @param fastest_hasher $hasher
     */
    private function assert_right(fastest_hasher $hasher): void {
        foreach (algorithm::cases() as $algorithm) {
            foreach (self::SIZES as $bytes) {
                $content = $bytes === 0 ? '' : random_bytes($bytes);
                $expected = hash($algorithm->value, $content);
                $path = "{$this->folder}/content";
                file_put_contents($path, $content);
                clearstatcache();
                $stream = fopen($path, 'rb');
                $this->assertSame($expected, $hasher->string($algorithm, $content), "string of {$bytes} bytes");
                $this->assertSame($expected, $hasher->file($algorithm, $path), "file of {$bytes} bytes");
                $this->assertSame($expected, $hasher->stream($algorithm, $stream), "stream of {$bytes} bytes");
                fclose($stream);
            }
        }
    }

    public function test_digests_are_right_with_the_library(): void {
        $this->assert_right($this->hasher());
    }

    public function test_digests_are_right_without_the_library(): void {
        $this->assert_right($this->hasher_without_library());
    }

    public function test_every_engine_gives_the_same_digests(): void {
        $native = new native_engine(new hash(built_library::handle($this->folder)));
        foreach (algorithm::cases() as $algorithm) {
            foreach (self::SIZES as $bytes) {
                $content = str_repeat('Moodle', intdiv($bytes, 6)) . str_repeat('.', $bytes % 6);
                file_put_contents("{$this->folder}/content", $content);
                foreach ([$native, new openssl_engine(), new php_engine()] as $engine) {
                    $expected = hash($algorithm->value, $content);
                    $this->assertSame($expected, $engine->string($algorithm, $content), $engine::class);
                    $this->assertSame($expected, $engine->file($algorithm, "{$this->folder}/content"), $engine::class);
                }
            }
        }
    }

    public function test_large_streams_go_to_the_library_where_there_is_one(): void {
        $choose = static fn(fastest_hasher $hasher): engine_name =>
            $hasher->choose(operation::STREAM, algorithm::SHA1, 1048576);
        $this->assertSame(engine_name::NATIVE, $choose($this->hasher()));
        $this->assertSame(engine_name::PHP, $choose($this->hasher_without_library()));
    }

    public function test_a_short_string_is_left_to_php(): void {
        $this->assertSame(engine_name::PHP, $this->hasher()->choose(operation::STRING, algorithm::SHA1, 40));
    }

    public function test_a_stream_is_read_from_where_it_stands(): void {
        foreach ([$this->hasher(), $this->hasher_without_library()] as $hasher) {
            $stream = fopen('php://temp', 'w+b');
            fwrite($stream, 'header' . str_repeat('content', 100000));
            fseek($stream, 6);
            $this->assertSame(sha1(str_repeat('content', 100000)), $hasher->stream(algorithm::SHA1, $stream));
        }
    }

    public function test_a_name_that_only_php_understands_is_read_by_php(): void {
        $this->assertSame(sha1('abc'), $this->hasher()->file(algorithm::SHA1, 'data:text/plain,abc'));
        $this->assertSame(sha1('abc'), $this->hasher()->file(algorithm::SHA1, 'data://text/plain,abc'));
    }

    public function test_what_cannot_be_read_is_an_exception_that_names_it_from_every_engine(): void {
        $native = new native_engine(new hash(built_library::handle($this->folder)));
        mkdir("{$this->folder}/directory");
        foreach ([$native, new openssl_engine(), new php_engine()] as $engine) {
            foreach (['none', 'directory'] as $name) {
                try {
                    $engine->file(algorithm::SHA1, "{$this->folder}/{$name}");
                    $this->fail($engine::class . " has a digest of {$name}");
                } catch (unreadable $error) {
                    $this->assertStringContainsString("{$this->folder}/{$name}", $error->getMessage());
                }
            }
        }
    }

    public function test_an_error_of_the_disk_is_not_taken_for_the_end(): void {
        $broken = '/proc/self/mem';
        if (!is_readable($broken)) {
            $this->markTestSkipped("there is no {$broken}, whose beginning no process can read");
        }
        $native = new native_engine(new hash(built_library::handle($this->folder)));
        foreach ([$native, new openssl_engine(), new php_engine()] as $engine) {
            try {
                $engine->file(algorithm::SHA1, $broken);
                $this->fail($engine::class . ' has a digest of a file that is broken');
            } catch (unreadable $error) {
                $this->assertStringContainsString($broken, $error->getMessage());
            }
        }
        foreach ([$native, new php_engine()] as $engine) {
            $stream = fopen($broken, 'rb');
            try {
                $engine->stream(algorithm::SHA1, $stream);
                $this->fail($engine::class . ' has a digest of a stream that is broken');
            } catch (unreadable) {
                fclose($stream);
            }
        }
    }

    public function test_a_stream_that_pauses_is_not_taken_for_whole(): void {
        $native = new native_engine(new hash(built_library::handle($this->folder)));
        foreach ([$native, new php_engine()] as $engine) {
            [$reader, $writer] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, STREAM_IPPROTO_IP);
            fwrite($writer, 'a beginning');
            stream_set_blocking($reader, false);
            try {
                $engine->stream(algorithm::SHA1, $reader);
                $this->fail($engine::class . ' has a digest of a beginning');
            } catch (unreadable) {
                fclose($writer);
                fclose($reader);
            }
        }
    }

    public function test_a_stream_that_cannot_be_read_is_an_exception_from_every_engine(): void {
        $native = new native_engine(new hash(built_library::handle($this->folder)));
        foreach ([$native, new php_engine()] as $engine) {
            $stream = fopen("{$this->folder}/written", 'wb');
            try {
                $engine->stream(algorithm::SHA1, $stream);
                $this->fail($engine::class . ' has a digest of a stream that is written only');
            } catch (unreadable) {
                fclose($stream);
            }
        }
    }

    public function test_a_panicking_library_is_replaced_by_php_and_used_no_more(): void {
        foreach (['string', 'file', 'stream'] as $operation) {
            mkdir("{$this->folder}/{$operation}");
            $handle = built_library::handle("{$this->folder}/{$operation}");
            $native = new native_engine(new hash($handle));
            // On this processor the library would be the fastest for all of them.
            $hasher = new fastest_hasher(new ranking(true, 80200), new php_engine(), new openssl_engine(), $native);
            $path = "{$this->folder}/{$operation}/libaccel_ffi.so";
            $content = random_bytes(2097152);
            file_put_contents("{$this->folder}/content", $content);
            built_library::arm($path, true);
            $stream = fopen("{$this->folder}/content", 'rb');
            $digest = match ($operation) {
                'string' => $hasher->string(algorithm::SHA256, $content),
                'file' => $hasher->file(algorithm::SHA256, "{$this->folder}/content"),
                'stream' => $hasher->stream(algorithm::SHA256, $stream),
            };
            built_library::arm($path, false);
            $this->assertSame(hash('sha256', $content), $digest);
            $this->assertSame(engine_name::PHP, $hasher->choose(operation::STREAM, algorithm::SHA256, 2097152));
        }
    }

    public function test_a_library_that_panics_in_the_middle_of_a_stream_leaves_the_whole_stream_to_php(): void {
        $native = new native_engine(new hash(built_library::handle($this->folder)));
        $hasher = new fastest_hasher(new ranking(true, 80200), new php_engine(), null, $native);
        $content = random_bytes(1048576);
        file_put_contents("{$this->folder}/content", 'header' . $content);
        $stream = fopen("{$this->folder}/content", 'rb');
        fseek($stream, 6);
        stream_filter_register('local_accel.arm', arming_filter::class);
        stream_filter_append($stream, 'local_accel.arm', STREAM_FILTER_READ, "{$this->folder}/libaccel_ffi.so");
        try {
            $digest = $hasher->stream(algorithm::SHA256, $stream);
        } finally {
            built_library::arm("{$this->folder}/libaccel_ffi.so", false);
        }
        $this->assertSame(hash('sha256', $content), $digest);
        $this->assertSame(engine_name::PHP, $hasher->choose(operation::STREAM, algorithm::SHA256, 1048576));
    }
}
