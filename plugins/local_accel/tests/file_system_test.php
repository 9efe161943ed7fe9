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

namespace local_accel;

use PHPUnit\Framework\Attributes\CoversClass;

/**
 * Tests of the file system class against core's own: both must leave the same behind.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(file_system::class)]
final class file_system_test extends \advanced_testcase {
    #[\Override]
    protected function setUp(): void {
        global $CFG;
        parent::setUp();
        require_once($CFG->libdir . '/filestorage/file_system_filedir.php');
        $this->resetAfterTest();
    }

    /**
     * Return a file system with a pool of its own.
     *
     * @param string $class
     * @return array{\file_system, string} with its pool
     */
    private function file_system(string $class): array {
        global $CFG;
        $CFG->filedir = make_request_directory() . '/filedir';
        $CFG->trashdir = make_request_directory() . '/trashdir';
        return [new $class(), $CFG->filedir];
    }

    /**
     * Return the files of a pool by path: their content, their permissions and those of their folder.
     *
     * @param string $pool
     * @return array
     */
    private function tree(string $pool): array {
        clearstatcache();
        $tree = [];
        $files = new \RecursiveDirectoryIterator($pool, \FilesystemIterator::SKIP_DOTS);
        foreach (new \RecursiveIteratorIterator($files) as $path => $file) {
            $tree[substr($path, strlen($pool))] = [file_get_contents($path), $file->getPerms(), fileperms(dirname($path))];
        }
        ksort($tree);
        return $tree;
    }

    /**
     * Do the same with core's class and with ours, and compare what comes of it: result or exception, debugging, and pool.
     *
     * @param callable $deed gets the file system and its pool
     */
    private function assert_same_as_core(callable $deed): void {
        $outcomes = [];
        foreach ([\file_system_filedir::class, file_system::class] as $class) {
            [$filesystem, $pool] = $this->file_system($class);
            try {
                $result = $deed($filesystem, $pool);
            } catch (\moodle_exception $error) {
                $result = [get_class($error), $error->errorcode];
            }
            $messages = array_column($this->getDebuggingMessages(), 'message');
            $this->resetDebugging();
            $outcomes[] = [$result, $messages, $this->tree($pool)];
        }
        $this->assertSame($outcomes[0], $outcomes[1]);
    }

    /**
     * Return the path of a new file.
     *
     * @param string $content
     * @return string
     */
    private function source(string $content): string {
        $path = make_request_directory() . '/source';
        file_put_contents($path, $content);
        return $path;
    }

    public function test_new_known_and_empty_files_are_added_as_by_core(): void {
        foreach (['', 'x', random_bytes(3000001)] as $content) {
            $source = $this->source($content);
            foreach ([null, sha1($content)] as $hash) {
                $this->assert_same_as_core(static fn(\file_system $filesystem): array => [
                    $filesystem->add_file_from_path($source, $hash),
                    $filesystem->add_file_from_path($source, $hash),
                    $filesystem->add_file_from_string($content),
                ]);
            }
            $this->assertFileExists($source);
        }
    }

    public function test_a_wrong_hash_from_the_caller_is_treated_as_by_core(): void {
        foreach ([true, false] as $developer) {
            $source = $this->source('content');
            $this->assert_same_as_core(static function (\file_system $filesystem) use ($source, $developer): array {
                global $CFG;
                $CFG->debugdeveloper = $developer;
                return $filesystem->add_file_from_path($source, sha1('other'));
            });
        }
    }

    public function test_invalid_content_in_the_place_is_replaced_as_by_core(): void {
        $hash = sha1('content');
        $source = $this->source('content');
        foreach (['longer than the content', 'CONTENT'] as $invalid) {
            $this->assert_same_as_core(static function (\file_system $filesystem, string $pool) use ($hash, $source, $invalid): array {
                $filesystem->add_file_from_path($source);
                file_put_contents("{$pool}/" . substr($hash, 0, 2) . '/' . substr($hash, 2, 2) . "/{$hash}", $invalid);
                clearstatcache();
                return $filesystem->add_file_from_path($source);
            });
        }
    }

    public function test_what_cannot_be_read_or_stored_is_an_exception_and_leaves_no_half_file(): void {
        $missing = make_request_directory() . '/missing';
        $this->assert_same_as_core(static fn(\file_system $filesystem): array => $filesystem->add_file_from_path($missing));
        $source = $this->source('content');
        // A file where a folder has to be made.
        $this->assert_same_as_core(static function (\file_system $filesystem, string $pool) use ($source): array {
            file_put_contents("{$pool}/" . substr(sha1('content'), 0, 2), '');
            return @$filesystem->add_file_from_path($source);
        });
    }

    public function test_files_are_created_through_the_file_api(): void {
        global $CFG;
        $this->file_system(file_system::class);
        $CFG->alternative_file_system_class = file_system::class;
        get_file_storage(true);
        $record = [
            'contextid' => \core\context\system::instance()->id,
            'component' => 'local_accel',
            'filearea' => 'test',
            'itemid' => 0,
            'filepath' => '/',
            'filename' => 'file.txt',
        ];
        $file = get_file_storage()->create_file_from_pathname($record, $this->source('content'));
        $this->assertSame(sha1('content'), $file->get_contenthash());
        $this->assertSame('content', $file->get_content());
        unset($CFG->alternative_file_system_class);
        get_file_storage(true);
    }
}
