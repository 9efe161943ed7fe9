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

use local_accel\local\native\pool;
use local_accel\tests\built_library;
use PHPUnit\Framework\Attributes\CoversClass;

defined('MOODLE_INTERNAL') || die();

require_once(__DIR__ . '/../../fixtures/temporary_pool.php');

/**
 * Tests of the engines, on real files. What one engine sees the other sees, too.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(php_engine::class)]
#[CoversClass(native_engine::class)]
#[CoversClass(pool::class)]
final class engines_test extends \basic_testcase {
    /** @var string The folder of the native library. */
    private string $library;

    #[\Override]
    protected function setUp(): void {
        parent::setUp();
        $this->library = sys_get_temp_dir() . '/accellibrary' . bin2hex(random_bytes(8));
        mkdir($this->library);
    }

    #[\Override]
    protected function tearDown(): void {
        exec('rm -rf ' . escapeshellarg($this->library));
        parent::tearDown();
    }

    /**
     * Return the native engine. Where there is no library, the test is skipped.
     *
     * @return native_engine
     */
    private function native(): native_engine {
        $folder = "{$this->library}/" . count(glob("{$this->library}/*"));
        mkdir($folder);
        return new native_engine(new pool(built_library::handle($folder)));
    }

    /**
     * Return what an engine sees in units of a pool.
     *
     * @param engine $engine
     * @param string $root
     * @param int[] $units
     * @param effort $effort
     * @return contents[]
     */
    private function scan(engine $engine, string $root, array $units, effort $effort = new effort()): array {
        $steps = iterator_to_array($engine->scan($root, $units, $effort), false);
        return array_values(array_filter($steps, static fn($step): bool => $step instanceof contents));
    }

    /**
     * Check what both engines see in a pool.
     *
     * @param finding[] $findings in all units
     * @param int $files
     * @param temporary_pool $pool
     */
    private function assert_seen(array $findings, int $files, temporary_pool $pool): void {
        $php = $this->scan(new php_engine(), $pool->root, layout::units());
        $found = array_merge(...array_column($php, 'findings'));
        $order = static fn(finding $one, finding $other): int => $one->compare($other);
        usort($found, $order);
        usort($findings, $order);
        $this->assertEquals($findings, $found);
        $this->assertSame($files, array_sum(array_column($php, 'files')));
        foreach ([1, 3] as $threads) {
            $this->assertEquals($php, $this->scan($this->native(), $pool->root, layout::units(), new effort($threads)));
        }
    }

    public function test_an_intact_pool_has_objects_with_their_sizes_and_no_finding(): void {
        $pool = new temporary_pool();
        $hash = $pool->add('content');
        $pool->add('');
        $pool->put('warning.txt', 'hands off');
        $unit = hexdec(substr($hash, 0, 2));
        $this->assertEquals(
            [new contents($unit, [$hash => 7], 1, 7, 0, [])],
            $this->scan(new php_engine(), $pool->root, [$unit]),
        );
        $this->assert_seen([], 2, $pool);
    }

    public function test_each_fault_is_told_with_its_detail(): void {
        $pool = new temporary_pool();
        $corrupt = layout::path($pool->add_corrupt('promised', 'given'));
        $hash = sha1('content');
        $pool->put("00/00/{$hash}", 'content');
        $pool->put("00/{$hash}", 'content');
        $pool->put($hash, 'other');
        $pool->put(layout::path($hash) . '.tmp', 'half of the con');
        $pool->put("jackpot/{$hash}_1", 'content');
        $pool->put('jackpot-old', 'sorts before what is in jackpot');
        $pool->put('lost+found/piece', '');
        $pool->put('ab', 'a file named as a folder');
        $pool->put('00/warning.txt', '');
        $pool->put('00/00/deeper/file', '');
        $pool->put('DA/39/' . layout::EMPTY_HASH, '');
        mkdir("{$pool->root}/01/" . str_repeat('0', 40), 0777, true);
        symlink('nowhere', "{$pool->root}/00/00/" . str_repeat('0', 40));
        symlink('nowhere', "{$pool->root}/fe");
        $this->assert_seen([
            new finding(problem::CORRUPT, $corrupt, sha1('given')),
            new finding(problem::MISPLACED, "00/00/{$hash}", layout::path($hash)),
            new finding(problem::MISPLACED, "00/{$hash}", layout::path($hash)),
            new finding(problem::MISPLACED, $hash, layout::path($hash)),
            new finding(problem::CORRUPT, $hash, sha1('other')),
            new finding(problem::LEFTOVER, layout::path($hash) . '.tmp'),
            new finding(problem::COLLISION, "jackpot/{$hash}_1"),
            new finding(problem::FOREIGN, 'jackpot-old'),
            new finding(problem::FOREIGN, 'lost+found'),
            new finding(problem::FOREIGN, 'ab'),
            new finding(problem::FOREIGN, '00/warning.txt'),
            new finding(problem::FOREIGN, '00/00/deeper'),
            new finding(problem::FOREIGN, 'DA'),
            new finding(problem::FOREIGN, '01/' . str_repeat('0', 40)),
            new finding(problem::UNREADABLE, '00/00/' . str_repeat('0', 40), 'No such file or directory'),
            new finding(problem::UNREADABLE, 'fe', 'No such file or directory'),
        ], 4, $pool);
    }

    public function test_any_pool_looks_the_same_to_both_engines(): void {
        $native = $this->native();
        $seed = random_int(0, PHP_INT_MAX >> 32);
        mt_srand($seed);
        $pool = new temporary_pool();
        for ($index = 0; $index < 400; $index++) {
            $content = random_bytes(mt_rand(0, 9) ? mt_rand(1, 300) : mt_rand(30000, 200000));
            $hash = sha1($content);
            switch (mt_rand(0, 12)) {
                case 0:
                    $pool->put(layout::path($hash), $content . '!');
                    break;
                case 1:
                    $pool->put(layout::path($hash), substr($content, 1));
                    break;
                case 2:
                    $pool->put(substr($hash, 2, 2) . '/' . substr($hash, 0, 2) . "/{$hash}", $content);
                    break;
                case 3:
                    $pool->put(layout::path($hash) . (mt_rand(0, 1) ? '.tmp' : '.bak'), $content);
                    break;
                default:
                    $pool->add($content);
            }
        }
        foreach ([new effort(1), new effort(2), new effort(7)] as $effort) {
            $expected = $this->scan(new php_engine(), $pool->root, layout::units());
            $this->assertEquals($expected, $this->scan($native, $pool->root, layout::units(), $effort), "seed {$seed}");
        }
    }

    public function test_units_come_in_the_given_order_and_no_other(): void {
        $pool = new temporary_pool();
        $pool->add('content');
        foreach ([new php_engine(), $this->native()] as $engine) {
            $units = array_column($this->scan($engine, $pool->root, [256, 7, 3]), 'unit');
            $this->assertSame([256, 7, 3], $units, $engine->name());
        }
    }

    public function test_a_pool_that_is_not_there_is_unavailable_and_not_empty(): void {
        foreach ([new php_engine(), $this->native()] as $engine) {
            $pool = new temporary_pool();
            try {
                $this->scan($engine, "{$pool->root}/missing", [0]);
                $this->fail('no exception');
            } catch (unavailable $error) {
                $this->assertStringContainsString('missing', $error->getMessage());
                $this->assertStringContainsString('No such file or directory', $error->getMessage());
            }
            $scan = $engine->scan($pool->root, [0, 1], new effort());
            $this->assertSame(0, $scan->current()->unit);
            rmdir($pool->root);
            try {
                $scan->next();
                $this->fail("{$engine->name()}: no exception");
            } catch (unavailable $error) {
                $this->assertStringContainsString($pool->root, $error->getMessage());
            }
        }
    }

    public function test_no_more_is_read_in_a_second_than_is_allowed_and_signs_of_life_come(): void {
        $pool = new temporary_pool();
        for ($index = 0; $index < 12; $index++) {
            $pool->add(str_repeat(chr($index), 100000));
        }
        foreach ([new php_engine(), $this->native()] as $engine) {
            $start = microtime(true);
            $steps = iterator_to_array($engine->scan($pool->root, layout::units(), new effort(2, 1000000)), false);
            $signs = array_filter($steps, static fn($step): bool => $step instanceof progress);
            // What the native engine reads at once, a part of each file, is paid for afterwards.
            $this->assertGreaterThan(0.7, microtime(true) - $start, $engine->name());
            $this->assertNotEmpty($signs, $engine->name());
            $this->assertLessThanOrEqual(1200000, end($signs)->bytes);
        }
    }
}
