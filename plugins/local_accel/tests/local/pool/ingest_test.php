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

namespace local_accel\local\pool;

use local_accel\local\native\hash;
use local_accel\tests\built_library;
use PHPUnit\Framework\Attributes\CoversClass;

defined('MOODLE_INTERNAL') || die();

require_once(__DIR__ . '/../../fixtures/temporary_pool.php');

/**
 * Tests of copying with a hash.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(ingest::class)]
#[CoversClass(native_copier::class)]
#[CoversClass(php_copier::class)]
final class ingest_test extends \basic_testcase {
    public function test_the_copy_is_the_same_and_its_hash_and_size_are_told(): void {
        $pool = new temporary_pool();
        $php = new php_copier();
        foreach ([$php, new native_copier(new hash(built_library::handle(dirname($pool->root))), $php)] as $copier) {
            foreach (['', 'x', random_bytes(1048576), random_bytes(3000001)] as $content) {
                $pool->put('source', $content);
                $staged = (new ingest($copier))->stage("{$pool->root}/source", "{$pool->root}/target");
                $this->assertSame([sha1($content), strlen($content)], $staged);
                $this->assertSame($content, file_get_contents("{$pool->root}/target"));
                unlink("{$pool->root}/target");
            }
        }
    }

    public function test_what_the_library_cannot_open_is_copied_by_php_and_what_it_refuses_is_an_error(): void {
        $pool = new temporary_pool();
        $copier = new native_copier(new hash(built_library::handle(dirname($pool->root))), new php_copier());
        $this->assertSame([sha1('content'), 7], $copier->copy('data:text/plain,content', "{$pool->root}/target"));
        $this->expectException(copy_failed::class);
        $copier->copy($pool->root, "{$pool->root}/other");
    }

    public function test_a_source_that_cannot_be_read_leaves_no_target(): void {
        $pool = new temporary_pool();
        $this->expectException(copy_failed::class);
        try {
            (new php_copier())->copy("{$pool->root}/missing", "{$pool->root}/target");
        } finally {
            $this->assertFileDoesNotExist("{$pool->root}/target");
        }
    }

    public function test_a_full_disk_is_an_error(): void {
        $pool = new temporary_pool();
        $pool->put('source', str_repeat('x', 100000));
        if (!is_writable('/dev/full')) {
            $this->markTestSkipped('needs /dev/full');
        }
        symlink('/dev/full', "{$pool->root}/target");
        $this->expectException(copy_failed::class);
        (new php_copier())->copy("{$pool->root}/source", "{$pool->root}/target");
    }

    public function test_a_copy_that_reads_back_otherwise_is_removed(): void {
        $pool = new temporary_pool();
        $pool->put('source', 'content');
        foreach (['contenT', 'conten', 'content!'] as $stored) {
            $copier = new class ($stored) implements copier {
                /**
                 * Make a copier that stores something else than it says.
                 *
                 * @param string $stored
                 */
                public function __construct(
                    /** @var string What it stores. */
                    private readonly string $stored,
                ) {
                }

                #[\Override]
                public function copy(string $source, string $target): array {
                    file_put_contents($target, $this->stored);
                    return [sha1('content'), 7];
                }
            };
            try {
                (new ingest($copier))->stage("{$pool->root}/source", "{$pool->root}/target");
                $this->fail("{$stored} was taken");
            } catch (copy_failed) {
                $this->assertFileDoesNotExist("{$pool->root}/target");
            }
        }
    }
}
