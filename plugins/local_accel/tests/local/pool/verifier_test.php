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

use PHPUnit\Framework\Attributes\CoversClass;

defined('MOODLE_INTERNAL') || die();

require_once(__DIR__ . '/../../fixtures/known_contents.php');
require_once(__DIR__ . '/../../fixtures/temporary_pool.php');

/**
 * Tests of the comparison of a pool with what is listed.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(verifier::class)]
final class verifier_test extends \basic_testcase {
    /**
     * Verify a pool whose uploads take up to a day.
     *
     * @param temporary_pool $pool
     * @param catalogue $catalogue
     * @return finding[]
     */
    private function verify(temporary_pool $pool, catalogue $catalogue): array {
        $verifier = new verifier(new php_engine(), $catalogue, $pool->root, $pool->trash, 86400);
        $verdicts = array_filter(
            iterator_to_array($verifier->verify(layout::units(), new effort()), false),
            static fn($step): bool => $step instanceof verdict,
        );
        $this->assertCount(257, $verdicts);
        return array_merge(...array_column($verdicts, 'findings'));
    }

    public function test_a_pool_that_is_as_listed_has_no_finding(): void {
        $pool = new temporary_pool();
        $hash = $pool->add('content');
        $this->assertSame([], $this->verify($pool, new known_contents([$hash => [7, 7]])));
    }

    public function test_a_listed_object_that_is_not_there_is_missing_and_the_trash_is_looked_at(): void {
        $pool = new temporary_pool();
        [$gone, $trashed, $alsotrashed] = [sha1('gone'), sha1('trashed'), sha1('also')];
        mkdir("{$pool->trash}/" . dirname(layout::path($trashed)), 0777, true);
        touch("{$pool->trash}/" . layout::path($trashed));
        touch("{$pool->trash}/{$alsotrashed}");
        $sizes = array_fill_keys([$gone, $trashed, $alsotrashed], [4, 4]);
        $found = [];
        foreach ($this->verify($pool, new known_contents($sizes)) as $finding) {
            $this->assertSame(problem::MISSING, $finding->problem);
            $found[$finding->contenthash()] = $finding->detail;
        }
        $this->assertEquals([$gone => '', $trashed => finding::IN_TRASH, $alsotrashed => finding::IN_TRASH], $found);
    }

    public function test_what_is_elsewhere_or_only_referred_to_or_empty_is_not_missing(): void {
        $pool = new temporary_pool();
        $catalogue = new known_contents([sha1('stored') => [6, 6], sha1('other') => null, layout::EMPTY_HASH => [0, 900]]);
        $catalogue->elsewhere = [sha1('stored')];
        $this->assertSame([], $this->verify($pool, $catalogue));
    }

    public function test_a_file_that_was_deleted_or_written_while_it_was_looked_for_is_not_missing(): void {
        $pool = new temporary_pool();
        $catalogue = new known_contents([sha1('deleted') => [7, 7]]);
        $catalogue->before = static function () use ($catalogue): void {
            $catalogue->sizes = [];
        };
        $this->assertSame([], $this->verify($pool, $catalogue));
    }

    public function test_an_object_that_nothing_lists_is_orphaned_once_it_is_older_than_an_upload(): void {
        $pool = new temporary_pool();
        $hash = $pool->add('orphan');
        $pool->add('');
        touch("{$pool->root}/" . layout::path($pool->add('upload')));
        $orphan = new finding(problem::ORPHANED, layout::path($hash));
        $this->assertEquals([$orphan], $this->verify($pool, new known_contents([])));
        $catalogue = new known_contents([]);
        $catalogue->before = static function () use ($catalogue, $hash): void {
            $catalogue->sizes[$hash] = [6, 6];
        };
        $this->assertSame([], $this->verify($pool, $catalogue));
        $this->assertSame([], $this->verify($pool, new known_contents([$hash => null])));
    }

    public function test_intact_content_of_another_size_than_listed_is_told_and_a_corrupt_object_only_once(): void {
        $pool = new temporary_pool();
        $hash = $pool->add('content');
        $corrupt = $pool->add_corrupt('promised', 'given');
        $findings = $this->verify($pool, new known_contents([$hash => [7, 9], $corrupt => [8, 8]]));
        $expected = [
            new finding(problem::CORRUPT, layout::path($corrupt), sha1('given')),
            new finding(problem::WRONG_SIZE, layout::path($hash), '9'),
        ];
        usort($expected, static fn(finding $one, finding $other): int => $one->compare($other));
        $this->assertEquals($expected, $findings);
    }

    public function test_what_is_behind_something_unreadable_is_not_called_missing(): void {
        $pool = new temporary_pool();
        symlink('nowhere', "{$pool->root}/00");
        mkdir("{$pool->root}/01");
        symlink('nowhere', "{$pool->root}/01/02");
        $sizes = array_fill_keys([str_repeat('0', 40), '0102' . str_repeat('0', 36)], [1, 1]);
        $findings = $this->verify($pool, new known_contents($sizes));
        $this->assertSame(['00', '01/02'], array_column($findings, 'path'));
        $this->assertSame([problem::UNREADABLE, problem::UNREADABLE], array_column($findings, 'problem'));
    }

    public function test_a_temporary_file_is_left_over_once_it_is_older_than_an_upload(): void {
        $pool = new temporary_pool();
        $old = layout::path(sha1('old')) . '.tmp';
        $new = layout::path(sha1('new')) . '.tmp';
        $pool->put($old, '');
        $pool->put($new, '');
        touch("{$pool->root}/{$new}");
        $this->assertEquals([new finding(problem::LEFTOVER, $old)], $this->verify($pool, new known_contents([])));
    }
}
