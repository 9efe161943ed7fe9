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

/**
 * Make what is measured: a course of ten sections, a quiz with ten questions, and students who have begun an attempt.
 *
 * Run in Moodle's folder, with the number of students and their password as arguments. The last line that it prints is
 * JSON: course, quiz and file (course modules), users, and attempts by user.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

define('CLI_SCRIPT', true);

require(getcwd() . '/config.php');
require_once($CFG->libdir . '/testing/generator/lib.php');
require_once($CFG->dirroot . '/mod/quiz/locallib.php');
require_once($CFG->dirroot . '/question/format.php');
require_once($CFG->dirroot . '/question/format/gift/format.php');
require_once($CFG->libdir . '/questionlib.php');

[, $students, $password] = $argv;
\core\session\manager::set_user(get_admin());
$generator = new testing_data_generator();

$course = $generator->create_course(['shortname' => 'bench', 'fullname' => 'A course to measure', 'numsections' => 10]);
foreach (range(1, 10) as $section) {
    foreach (['page', 'label', 'forum', 'assign', 'url'] as $module) {
        $generator->create_module($module, [
            'course' => $course->id, 'section' => $section, 'name' => "A {$module} of section {$section}",
            'intro' => str_repeat('<p>Some words that say what this is about.</p>', 5),
        ]);
    }
}

$quiz = $generator->create_module('quiz', [
    'course' => $course->id, 'section' => 1, 'name' => 'A quiz', 'grade' => 100, 'sumgrades' => 10, 'questionsperpage' => 5,
]);
$context = \core\context\module::instance($quiz->cmid);
$gift = make_request_directory() . '/questions.txt';
file_put_contents($gift, implode("\n\n", array_map(
    fn($number) => $number % 2 ? "::Question {$number}:: What is {$number} + 1? {#" . ($number + 1) . '}'
        : "::Question {$number}:: Which of these is even? {={$number} ~" . ($number + 1) . ' ~' . ($number + 3) . ' ~a word}',
    range(1, 10),
)));
$import = new qformat_gift();
$import->setCategory(question_get_default_category($context->id, true));
$import->setContexts([$context]);
$import->setCourse($course);
$import->setFilename($gift);
$import->setRealfilename('questions.txt');
$import->setCatfromfile(false);
$import->setContextfromfile(false);
$import->displayprogress = false;
if (!$import->importpreprocess() || !$import->importprocess()) {
    throw new moodle_exception('cannotimport', 'question');
}
foreach ($import->questionids as $id) {
    quiz_add_quiz_question($id, $quiz);
}

$made = ['users' => [], 'attempts' => [], 'course' => (int) $course->id, 'quiz' => (int) $quiz->cmid];
foreach (range(1, (int) $students) as $number) {
    $user = $generator->create_user(['username' => "student{$number}", 'password' => $password, 'firstname' => 'Student']);
    $generator->enrol_user($user->id, $course->id, 'student');
    $settings = \mod_quiz\quiz_settings::create($quiz->id, $user->id);
    \core\session\manager::set_user($user);
    $attempt = quiz_prepare_and_start_new_attempt($settings, 1, null, false, [], [], $user->id);
    \core\session\manager::set_user(get_admin());
    $made['users'][] = $user->username;
    $made['attempts'][$user->username] = (int) $attempt->id;
}

$file = $generator->create_module('resource', ['course' => $course->id, 'section' => 2, 'name' => 'A file']);
$context = \core\context\module::instance($file->cmid);
$storage = get_file_storage();
$storage->delete_area_files($context->id, 'mod_resource', 'content');
$storage->create_file_from_string(
    [
        'contextid' => $context->id, 'component' => 'mod_resource', 'filearea' => 'content', 'itemid' => 0, 'filepath' => '/',
        'filename' => 'measured.bin', 'sortorder' => 1,
    ],
    str_repeat(hash('sha256', 'measured'), 2 ** 18),
);
$made['file'] = "/pluginfile.php/{$context->id}/mod_resource/content/0/measured.bin";
echo "\n", json_encode($made), "\n";
