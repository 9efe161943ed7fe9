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

namespace local_accel\pool;

use local_accel\local\pool\effort;
use local_accel\local\pool\finding;
use local_accel\local\pool\layout;
use local_accel\local\pool\php_engine;
use local_accel\local\pool\problem;
use PHPUnit\Framework\Attributes\CoversClass;

/**
 * Tests of the verification of a site's pool.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
#[CoversClass(verification::class)]
#[CoversClass(journal::class)]
#[CoversClass(files_table::class)]
#[CoversClass(owners::class)]
#[CoversClass(report::class)]
#[CoversClass(\local_accel\task\verify_pool::class)]
#[CoversClass(\local_accel\check\file_pool::class)]
final class verification_test extends \advanced_testcase {
    #[\Override]
    protected function setUp(): void {
        global $CFG, $DB;
        parent::setUp();
        $this->resetAfterTest();
        $this->setAdminUser();
        $CFG->filedir = make_request_directory() . '/filedir';
        $CFG->trashdir = make_request_directory() . '/trashdir';
        $DB->delete_records('files');
        get_file_storage(true);
        // Core adds it once in a process, with the first folder.
        get_file_storage()->add_string_to_pool('');
    }

    /**
     * Store a file.
     *
     * @param string $content
     * @param string $filename
     * @return \stored_file
     */
    private function store(string $content, string $filename): \stored_file {
        return get_file_storage()->create_file_from_string([
            'contextid' => \core\context\system::instance()->id,
            'component' => 'local_accel',
            'filearea' => 'test',
            'itemid' => 7,
            'filepath' => '/',
            'filename' => $filename,
        ], $content);
    }

    /**
     * Return where the pool keeps content.
     *
     * @param string $content
     * @return string
     */
    private function place(string $content): string {
        global $CFG;
        return "{$CFG->filedir}/" . layout::path(sha1($content));
    }

    /**
     * Verify units of the pool to their end.
     *
     * @param int[]|null $units all if null
     * @return array{run, finding[]}
     */
    private function verify(?array $units = null): array {
        $verification = verification::of_site(new php_engine());
        $run = $verification->journal->begin($units ?? layout::units());
        foreach ($verification->go_on($run, new effort(), DAYSECS) as $step) {
            $run = $step instanceof run ? $step : $run;
        }
        return [$run, iterator_to_array($verification->journal->findings($run), false)];
    }

    public function test_a_site_whose_files_are_all_there_has_no_finding(): void {
        $this->store('one', 'one.txt');
        $this->store('two', 'two.txt');
        [$run, $findings] = $this->verify();
        $this->assertSame([], $findings);
        // The third is that of the folder, which is empty.
        $this->assertSame([3, 6, 257], [$run->files, $run->bytes, $run->done]);
        $this->assertNotNull($run->timefinished);
        $this->assertTrue($run->is_full());
    }

    public function test_what_is_wrong_is_found_and_told_with_the_files_it_is_about(): void {
        global $DB;
        $this->store('gone', 'gone.txt');
        $this->store('changed', 'changed.txt');
        $this->store('resized', 'resized.txt');
        unlink($this->place('gone'));
        file_put_contents($this->place('changed'), 'chanced');
        $DB->set_field('files', 'filesize', 99, ['contenthash' => sha1('resized')]);
        mkdir(dirname($this->place('orphan')), 0777, true);
        touch($this->place('orphan'), time() - 2 * DAYSECS);
        file_put_contents(dirname($this->place('orphan')) . "/n\xffme", '');
        [$run, $findings] = $this->verify();
        $problems = array_column($findings, 'problem', 'path');
        $this->assertSame(problem::MISSING, $problems[layout::path(sha1('gone'))]);
        $this->assertSame(problem::CORRUPT, $problems[layout::path(sha1('changed'))]);
        $this->assertSame(problem::WRONG_SIZE, $problems[layout::path(sha1('resized'))]);
        $this->assertContains(problem::FOREIGN, $problems);
        $this->assertSame(
            ['corrupt' => 2, 'missing' => 1, 'wrongsize' => 1, 'orphaned' => 1, 'foreign' => 1],
            \core\di::get(journal::class)->counts($run),
        );

        $verification = verification::of_site(new php_engine());
        $report = new report($verification, $run, \core\di::get(owners::class));
        $stream = fopen('php://memory', 'w+');
        $report->write_json($stream);
        rewind($stream);
        $json = json_decode(stream_get_contents($stream), true, 512, JSON_THROW_ON_ERROR);
        $this->assertCount(6, $json['findings']);
        $this->assertSame(['00-ff,root', true, 'php'], [$json['units'], $json['finished'], $json['engine']]);
        $files = array_column($json['findings'], 'files', 'path')[layout::path(sha1('gone'))];
        $this->assertSame(['local_accel', 'test', 7, 'gone.txt'], [
            $files[0]['component'], $files[0]['filearea'], $files[0]['itemid'], $files[0]['filename'],
        ]);
        $this->assertSame('System', $files[0]['context']);
        ftruncate($stream, 0);
        rewind($stream);
        $report->write_text($stream);
        rewind($stream);
        $text = stream_get_contents($stream);
        $this->assertStringContainsString('gone.txt', $text);
        $this->assertStringContainsString('6 findings', $text);

        $result = (new \local_accel\check\file_pool())->get_result();
        $this->assertSame(\core\check\result::ERROR, $result->get_status());
        $this->assertStringContainsString('gone.txt', $result->get_details());
        $this->setGuestUser();
        $this->assertStringNotContainsString('gone.txt', (new \local_accel\check\file_pool())->get_result()->get_details());
    }

    public function test_references_to_files_elsewhere_need_no_content_here(): void {
        global $DB;
        $this->store('cached', 'reference.txt');
        $DB->set_field('files', 'referencefileid', 1, ['contenthash' => sha1('cached')]);
        $DB->set_field('files', 'filesize', 99, ['contenthash' => sha1('cached')]);
        $this->assertSame([], $this->verify()[1]);
        unlink($this->place('cached'));
        $this->assertSame([], $this->verify()[1]);
    }

    public function test_a_run_goes_on_where_it_stopped(): void {
        $this->store('one', 'one.txt');
        $verification = verification::of_site(new php_engine());
        $run = $verification->journal->begin(layout::units());
        foreach ($verification->go_on($run, new effort(), DAYSECS) as $step) {
            if ($step instanceof run && $step->done === 100) {
                break;
            }
        }
        unset($step);
        $unfinished = $verification->journal->unfinished();
        $this->assertSame([100, null], [$unfinished->done, $unfinished->timefinished]);
        $this->assertSame(range(100, 256), $unfinished->left());
        foreach ($verification->go_on($unfinished, new effort(), DAYSECS) as $step) {
            $run = $step instanceof run ? $step : $run;
        }
        $this->assertSame([257, 2, 3], [$run->done, $run->files, $run->bytes]);
        $this->assertNull($verification->journal->unfinished());
    }

    public function test_an_empty_pool_of_a_site_with_files_is_refused(): void {
        global $CFG;
        $this->store('one', 'one.txt');
        remove_dir($CFG->filedir, true);
        $this->expectExceptionMessage('Is its disk mounted?');
        $this->verify();
    }

    public function test_only_one_process_verifies_at_a_time(): void {
        global $CFG;
        // Those of a database may be taken twice by one connection.
        $CFG->lock_factory = \core\lock\file_lock_factory::class;
        $this->store('one', 'one.txt');
        $verification = verification::of_site(new php_engine());
        $lock = $verification->lock();
        try {
            verification::of_site(new php_engine())->lock();
            $this->fail('two processes have the lock');
        } catch (\moodle_exception $exception) {
            $this->assertStringContainsString('by another process', $exception->getMessage());
        } finally {
            $lock->release();
        }
    }

    public function test_a_site_that_keeps_its_files_elsewhere_is_told_so(): void {
        $filesystem = $this->createMock(\file_system::class);
        $property = new \ReflectionProperty(\file_storage::class, 'filesystem');
        $property->setValue(get_file_storage(), $filesystem);
        $this->expectExceptionMessage(get_class($filesystem));
        verification::of_site(new php_engine());
    }

    public function test_old_runs_are_forgotten_but_the_last_full_one_is_kept(): void {
        global $DB;
        $this->store('gone', 'gone.txt');
        unlink($this->place('gone'));
        $unit = hexdec(substr(sha1('gone'), 0, 2));
        $full = $this->verify()[0]->id;
        for ($count = 0; $count < 8; $count++) {
            $this->verify([$unit]);
        }
        $this->assertSame($full, \core\di::get(journal::class)->last_full()->id);
        $this->assertSame(7, $DB->count_records('local_accel_pool_run'));
        $this->assertSame(7, $DB->count_records('local_accel_pool_finding'));
    }

    public function test_the_task_begins_goes_on_and_waits_for_the_interval(): void {
        $clock = $this->mock_clock_with_frozen();
        $this->store('one', 'one.txt');
        set_config('poolduration', 0, 'local_accel');
        set_config('engine', 'php', 'local_accel');
        $task = new \local_accel\task\verify_pool();
        $journal = \core\di::get(journal::class);
        $this->expectOutputRegex('~^1 of 257 .*\n257 of 257 .*\nThe next verification is due~');
        $task->execute();
        $this->assertSame(1, $journal->unfinished()->done);
        set_config('poolduration', HOURSECS, 'local_accel');
        $task->execute();
        $this->assertNull($journal->unfinished());
        $task->execute();
        $this->assertNull($journal->unfinished());
        $this->assertSame(\core\check\result::OK, (new \local_accel\check\file_pool())->get_result()->get_status());
        $clock->bump(15 * DAYSECS);
        $this->assertSame(\core\check\result::WARNING, (new \local_accel\check\file_pool())->get_result()->get_status());
    }

    public function test_a_pool_that_was_never_verified_is_no_trouble(): void {
        $check = new \local_accel\check\file_pool();
        $this->assertSame(\core\check\result::INFO, $check->get_result()->get_status());
        $this->assertContains(get_class($check), array_map(get_class(...), \core\check\manager::get_checks('status')));
    }
}
