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
 * Compares the engines with Moodle's own calc_formula on random calculations: MOODLE_DIR=DIR php formula_fuzz.php
 *
 * Options: --formulas=N (20000), --seed=N (the time), --record=N (print N of the cases as vectors instead).
 * ACCEL_LIBRARY names the native library; without it only the PHP engine is compared.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

use local_accel\local\grade\{engine, formula, formula_error, formula_generator, native_engine, php_engine};
use local_accel\local\native\{grade, handle};

// phpcs:disable moodle.Files.MoodleInternal, moodle.Files.RequireLogin -- it runs without Moodle's set-up.

error_reporting(E_ALL & ~E_DEPRECATED & ~E_WARNING);
ini_set('precision', '14');
ini_set('serialize_precision', '-1');
$moodle = getenv('MOODLE_DIR');
if (!$moodle || !is_file("$moodle/public/lib/mathslib.php")) {
    fwrite(STDERR, "MOODLE_DIR must name a tree of Moodle 5.1 or later\n");
    exit(2);
}
define('MOODLE_INTERNAL', true);
$CFG = (object) ['dirroot' => "$moodle/public"];
require_once("$moodle/public/lib/mathslib.php");
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'local_accel\\')) {
        require_once(dirname(__DIR__) . '/classes/' . str_replace('\\', '/', substr($class, strlen('local_accel\\'))) . '.php');
    }
});
require_once(__DIR__ . '/formula_generator.php');

/**
 * Stands in for Moodle's function of this name: the texts of errors are not compared.
 *
 * @param string $identifier
 * @return string
 */
function get_string(string $identifier): string {
    return $identifier;
}

/**
 * Return what Moodle gives for each user: a number, false, or 'raises' where it stops with an exception.
 *
 * @param string $calculation
 * @param list<string> $variables
 * @param list<list<float|null>> $columns
 * @param int $users
 * @return list<float|string|false>|null null where it does not compile
 */
function moodle_results(string $calculation, array $variables, array $columns, int $users): ?array {
    try {
        $formula = new calc_formula($calculation);
    } catch (Throwable) {
        return null;
    }
    if ($formula->get_error() !== false) {
        return null;
    }
    $results = [];
    for ($u = 0; $u < $users; $u++) {
        $params = [];
        foreach ($variables as $v => $name) {
            $params[$name] = $columns[$v][$u] ?? 0;
        }
        $formula->set_params($params);
        try {
            $result = $formula->evaluate();
            $results[] = $result === false ? false : (float) $result;
        } catch (Throwable) {
            $results[] = 'raises';
        }
    }
    return $results;
}

/**
 * Return what an engine gives, in the words of moodle_results().
 *
 * @param engine $engine
 * @param formula $formula
 * @param list<list<float|null>> $columns
 * @param list<float|string|false> $expected
 * @return list<float|string|false>
 */
function engine_results(engine $engine, formula $formula, array $columns, array $expected): array {
    try {
        return $engine->evaluate($formula, $columns, count($expected));
    } catch (formula_error) {
        $active = implode('', array_map(static fn($result): string => $result === 'raises' ? "\0" : "\1", $expected));
        if (!str_contains($active, "\0")) {
            return ['it raises, for no user does Moodle'];
        }
        $results = $engine->evaluate($formula, $columns, count($expected), $active);
        foreach (array_keys($expected, 'raises', true) as $u) {
            $results[$u] = $results[$u] === false ? 'raises' : 'is not passed over';
        }
        return $results;
    }
}

/**
 * Write results so that equal ones are equal to the last bit.
 *
 * @param list<float|string|false>|null $results
 * @return string
 */
function written(?array $results): string {
    $write = static fn($result): string => is_float($result) && !is_nan($result)
        ? var_export($result, true) . ' ' . bin2hex(pack('E', $result))
        : var_export($result, true);
    return $results === null ? 'does not compile' : implode("\n", array_map($write, $results));
}

$options = getopt('', ['formulas:', 'seed:', 'record:']);
$seed = (int) ($options['seed'] ?? time());
$count = (int) ($options['formulas'] ?? 20000);
$record = (int) ($options['record'] ?? 0);
$generator = new formula_generator($seed, $record > 0);
$engines = [new php_engine()];
if (getenv('ACCEL_LIBRARY')) {
    $header = file_get_contents(dirname(__DIR__) . '/native/accel.h');
    $engines[] = new native_engine(new grade(new handle(FFI::cdef($header, getenv('ACCEL_LIBRARY')))));
}
$tally = ['compiled' => 0, 'refused' => 0, 'numbers' => 0, 'failures' => 0, 'exceptions' => 0];
$differences = 0;
$vectors = [];
for ($n = 0; $n < $count && (!$record || count($vectors) < $record); $n++) {
    $calculation = $generator->calculation();
    $columns = $generator->columns();
    $variables = formula_generator::VARIABLES;
    $expected = moodle_results($calculation, $variables, $columns, formula_generator::USERS);
    try {
        $formula = formula::compile($calculation, $variables);
    } catch (formula_error $error) {
        $tally['refused']++;
        if ($expected !== null && !str_contains(strtolower($calculation), 'rand_')) {
            $differences++;
            echo "seed $seed, formula $n: $calculation\n  is refused: {$error->getMessage()}\n";
        }
        continue;
    }
    if ($expected === null) {
        $differences++;
        echo "seed $seed, formula $n: $calculation\n  does not compile in Moodle\n";
        continue;
    }
    $tally['compiled']++;
    $tally['failures'] += count(array_keys($expected, false, true));
    $tally['exceptions'] += count(array_keys($expected, 'raises', true));
    $tally['numbers'] += count(array_filter($expected, is_float(...)));
    foreach ($engines as $engine) {
        $results = engine_results($engine, $formula, $columns, $expected);
        if (written($results) !== written($expected)) {
            $differences++;
            echo "seed $seed, formula $n, {$engine->name()}: $calculation\n", json_encode($columns), "\nMoodle:\n",
                written($expected), "\nengine:\n", written($results), "\n";
        }
    }
    if ($record && (count($vectors) % 8 || in_array('raises', $expected, true) || count(array_filter($expected)) > 3)) {
        $vectors[] = [
            'calculation' => $calculation,
            'columns' => $columns,
            'results' => array_map(
                static fn($result) => is_float($result) && !is_finite($result) ? strtolower((string) $result) : $result,
                $expected,
            ),
        ];
    }
}
if ($record) {
    $lines = array_map(static fn($case): string => json_encode($case, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION), $vectors);
    $head = json_encode(['php' => PHP_VERSION, 'seed' => $seed, 'variables' => formula_generator::VARIABLES]);
    echo rtrim($head, '}'), ",\"cases\": [\n", implode(",\n", $lines), "\n]}\n";
    exit($differences ? 1 : 0);
}
echo json_encode(['php' => PHP_VERSION, 'seed' => $seed, 'formulas' => $count, 'differences' => $differences,
    'engines' => array_map(static fn(engine $engine): string => $engine->name(), $engines)] + $tally), "\n";
exit($differences ? 1 : 0);
