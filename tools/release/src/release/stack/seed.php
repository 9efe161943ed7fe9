<?php
// This program is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// This program is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with this program.  If not, see <https://www.gnu.org/licenses/>.

/**
 * Gives the local stack's site a course, users and a quiz, through Moodle's own functions.
 *
 * What is there already is left as it is, so it can run any number of times. The first argument is Moodle's folder; the
 * file that USER_PASSWORD_FILE names has the password of all users that are made.
 *
 * @copyright  2026 the project's contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

define('CLI_SCRIPT', true);

require($argv[1] . '/config.php');
require_once($CFG->dirroot . '/course/lib.php');
require_once($CFG->dirroot . '/course/modlib.php');
require_once($CFG->dirroot . '/user/lib.php');
require_once($CFG->dirroot . '/mod/quiz/locallib.php');
require_once($CFG->libdir . '/questionlib.php');

\core\session\manager::set_user(get_admin());

/**
 * Return the course, made if it is not there.
 *
 * @return stdClass
 */
function stack_course(): stdClass {
    global $DB;
    $course = $DB->get_record('course', ['shortname' => 'DEMO']);
    return $course ?: create_course((object) [
        'category' => core_course_category::get_default()->id,
        'fullname' => 'Demonstration course',
        'shortname' => 'DEMO',
        'summary' => 'Made by the local stack.',
        'summaryformat' => FORMAT_HTML,
        'format' => 'topics',
        'numsections' => 3,
        'enablecompletion' => 1,
    ]);
}

/**
 * Make a user if there is none of this name, and enrol them with a role.
 *
 * @param stdClass $course
 * @param string $username
 * @param string $firstname
 * @param string $lastname
 * @param string $role short name of the role
 * @param string $password
 */
function stack_user(
    stdClass $course,
    string $username,
    string $firstname,
    string $lastname,
    string $role,
    string $password,
): void {
    global $CFG, $DB;
    $userid = $DB->get_field('user', 'id', ['username' => $username, 'mnethostid' => $CFG->mnet_localhost_id]);
    if (!$userid) {
        $userid = user_create_user((object) [
            'username' => $username,
            'password' => $password,
            'firstname' => $firstname,
            'lastname' => $lastname,
            'email' => "$username@example.com",
            'auth' => 'manual',
            'confirmed' => 1,
            'mnethostid' => $CFG->mnet_localhost_id,
        ]);
    }
    if (!is_enrolled(core\context\course::instance($course->id), $userid)) {
        $roleid = $DB->get_field('role', 'id', ['shortname' => $role], MUST_EXIST);
        enrol_try_internal_enrol($course->id, $userid, $roleid);
    }
}

/**
 * Return the id of a course module with this idnumber, made if it is not there.
 *
 * @param stdClass $course
 * @param string $modulename such as quiz
 * @param string $idnumber
 * @param int $section
 * @param array $fields what the module's form gives
 * @return int
 */
function stack_module(stdClass $course, string $modulename, string $idnumber, int $section, array $fields): int {
    global $DB;
    $found = $DB->get_field('course_modules', 'id', ['course' => $course->id, 'idnumber' => $idnumber]);
    if ($found) {
        return (int) $found;
    }
    return (int) add_moduleinfo((object) ($fields + [
        'modulename' => $modulename,
        'module' => $DB->get_field('modules', 'id', ['name' => $modulename], MUST_EXIST),
        'course' => $course->id,
        'section' => $section,
        'cmidnumber' => $idnumber,
        'intro' => '',
        'introformat' => FORMAT_HTML,
        'visible' => 1,
        'visibleoncoursepage' => 1,
        'groupmode' => NOGROUPS,
        'groupingid' => 0,
        'availability' => null,
        'completion' => COMPLETION_TRACKING_NONE,
        'completionview' => 0,
        'completionexpected' => 0,
    ]), $course)->coursemodule;
}

/**
 * Return the id of a question in the quiz's own bank, made if it is not there.
 *
 * @param stdClass $category
 * @param string $qtype
 * @param string $idnumber
 * @param array $form what the question's form gives
 * @return int
 */
function stack_question(stdClass $category, string $qtype, string $idnumber, array $form): int {
    global $DB;
    $found = $DB->get_field_sql(
        'SELECT v.questionid FROM {question_bank_entries} e JOIN {question_versions} v ON v.questionbankentryid = e.id
          WHERE e.questioncategoryid = :category AND e.idnumber = :idnumber',
        ['category' => $category->id, 'idnumber' => $idnumber],
        IGNORE_MULTIPLE,
    );
    if ($found) {
        return (int) $found;
    }
    $question = (object) ['qtype' => $qtype, 'createdby' => get_admin()->id, 'category' => $category->id];
    return (int) question_bank::get_qtype($qtype)->save_question($question, (object) ($form + [
        'category' => "$category->id,$category->contextid",
        'idnumber' => $idnumber,
        'defaultmark' => 1,
        'penalty' => 1,
        'generalfeedback' => stack_text(''),
        'status' => \core_question\local\bank\question_version_status::QUESTION_STATUS_READY,
    ]))->id;
}

/**
 * Return text as an editor gives it.
 *
 * @param string $text
 * @return array
 */
function stack_text(string $text): array {
    return ['text' => $text, 'format' => FORMAT_HTML];
}

$password = trim(file_get_contents(getenv('USER_PASSWORD_FILE')));
$course = stack_course();
stack_user($course, 'teacher', 'Tess', 'Teacher', 'editingteacher', $password);
stack_user($course, 'student', 'Stu', 'Student', 'student', $password);
stack_user($course, 'student2', 'Sam', 'Student', 'student', $password);

stack_module($course, 'page', 'stack-page', 1, [
    'name' => 'Read this first',
    'content' => '<p>A page to read.</p>',
    'contentformat' => FORMAT_HTML,
    'display' => 5,
    'printintro' => 0,
    'printlastmodified' => 1,
]);

$review = [];
foreach (['attempt', 'correctness', 'maxmarks', 'marks', 'specificfeedback', 'generalfeedback', 'rightanswer'] as $what) {
    foreach (['immediately', 'open', 'closed'] as $when) {
        $review["$what$when"] = 1;
    }
}
$cmid = stack_module($course, 'quiz', 'stack-quiz', 1, $review + [
    'name' => 'Demonstration quiz',
    'quizpassword' => '',
    'subnet' => '',
    'browsersecurity' => '-',
    'timeopen' => 0,
    'timeclose' => 0,
    'timelimit' => 0,
    'overduehandling' => 'autosubmit',
    'graceperiod' => DAYSECS,
    'preferredbehaviour' => 'deferredfeedback',
    'canredoquestions' => 0,
    'attempts' => 0,
    'attemptonlast' => 0,
    'grademethod' => QUIZ_GRADEHIGHEST,
    'decimalpoints' => 2,
    'questiondecimalpoints' => -1,
    'questionsperpage' => 0,
    'navmethod' => QUIZ_NAVMETHOD_FREE,
    'shuffleanswers' => 0,
    'grade' => 10,
    'delay1' => 0,
    'delay2' => 0,
    'showuserpicture' => 0,
    'showblocks' => 0,
    'feedbackboundarycount' => -1,
]);
$category = question_get_default_category(core\context\module::instance($cmid)->id, true);
$feedback = ['feedbacktrue' => stack_text(''), 'feedbackfalse' => stack_text('')];
$questions = [
    stack_question($category, 'truefalse', 'stack-truefalse', $feedback + [
        'name' => 'Water',
        'questiontext' => stack_text('<p>Water is wet.</p>'),
        'correctanswer' => 1,
    ]),
    stack_question($category, 'shortanswer', 'stack-shortanswer', [
        'name' => 'Capital',
        'questiontext' => stack_text('<p>What is the capital of France?</p>'),
        'usecase' => 0,
        'answer' => ['Paris'],
        'fraction' => ['1.0'],
        'feedback' => [stack_text('')],
    ]),
    stack_question($category, 'numerical', 'stack-numerical', [
        'name' => 'Sum',
        'questiontext' => stack_text('<p>What is 6 times 7?</p>'),
        'answer' => ['42'],
        'tolerance' => ['0'],
        'fraction' => ['1.0'],
        'feedback' => [stack_text('')],
        'unitrole' => 3,
        'unitpenalty' => 0,
        'unitgradingtypes' => 0,
        'unitsleft' => 0,
        'nounits' => 1,
        'unit' => [''],
        'multiplier' => ['1.0'],
    ]),
];
$settings = \mod_quiz\quiz_settings::create_for_cmid($cmid);
foreach ($questions as $questionid) {
    quiz_add_quiz_question($questionid, $settings->get_quiz());
}
$settings->get_grade_calculator()->recompute_quiz_sumgrades();

echo "There is a course {$CFG->wwwroot}/course/view.php?id={$course->id} with a quiz {$CFG->wwwroot}/mod/quiz/view.php?id={$cmid}\n";
