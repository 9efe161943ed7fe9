<?php
/**
 * Times the grade kernels of plugins/local_accel: PHP and Rust, marshalling included. It prints JSON.
 *
 * Usage: ACCEL_LIBRARY=libaccel_ffi.so MOODLE_DIR=DIR php bench/accel/kernels.php [RUNS] (9)
 * Without ACCEL_LIBRARY only PHP is timed. With MOODLE_DIR formulas are timed in Moodle's own calc_formula too.
 *
 * Each entry has a name, an engine, the number of runs, and the smallest, median and largest CPU and wall time in
 * seconds of one call for all users. Engines take turns, so that a busy machine is busy for all of them.
 */

namespace local_accel\local\grade;

use local_accel\local\native;
use Random\Engine\Mt19937;
use Random\Randomizer;

const USERS = 2000;
const ITEMS = 60;
const METHODS = ['mean' => 0, 'median' => 2, 'lowest' => 4, 'highest' => 6, 'mode' => 8, 'weighted mean' => 10,
    'simple weighted mean' => 11, 'mean with extra credit' => 12, 'natural' => 13];
const CALCULATION = '=(gi1+gi2+gi3)/3*0.4+max(gi4,gi5,gi6)*0.3+average(gi7,gi8,gi9)*0.3';

spl_autoload_register(static function (string $class): void {
    $path = str_replace('\\', '/', substr($class, strlen('local_accel\\')));
    require_once(dirname(__DIR__, 2) . "/plugins/local_accel/classes/$path.php");
});

/**
 * Return the columns of the benchmark: 92 % of the grades are there, with five decimals.
 */
function batch(): batch {
    $random = new Randomizer(new Mt19937(1));
    $grade = static fn(): ?float => $random->getInt(1, 100) <= 92 ? $random->getInt(0, 10000000) / 100000 : null;
    $column = static fn(): array => array_map($grade, range(1, USERS));
    return new batch(
        USERS,
        array_map($column, range(1, ITEMS)),
        array_fill(0, ITEMS, str_repeat("\1", USERS)),
        array_fill(0, ITEMS, array_fill(0, USERS, 0.0)),
        array_fill(0, ITEMS, array_fill(0, USERS, 100.0)),
        str_repeat("\1", USERS),
    );
}

/**
 * Return the CPU seconds that this process has used.
 */
function cpu(): float {
    $usage = getrusage();
    return $usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec'] + ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) / 1e6;
}

/**
 * Run calls in turn and return the spread of each one's times.
 *
 * @param array<string, callable(): mixed> $calls by engine
 */
function times(string $name, array $calls, int $runs): array {
    $times = [];
    // The first turn warms up and is not counted.
    for ($run = 0; $run <= $runs; $run++) {
        foreach ($calls as $engine => $call) {
            [$cpu, $wall] = [cpu(), hrtime(true)];
            $call();
            if ($run > 0) {
                $times[$engine]['cpu'][] = cpu() - $cpu;
                $times[$engine]['wall'][] = (hrtime(true) - $wall) / 1e9;
            }
        }
    }
    $entries = [];
    foreach ($times as $engine => $kinds) {
        $spread = static function (array $seconds): array {
            sort($seconds);
            return ['min' => $seconds[0], 'median' => $seconds[intdiv(count($seconds), 2)], 'max' => end($seconds)];
        };
        $entries[] = ['name' => $name, 'engine' => $engine, 'runs' => $runs] + array_map($spread, $kinds);
    }
    return $entries;
}

/**
 * Return Moodle's own way of evaluating the calculation: it is parsed once, and interpreted for each user.
 */
function moodle_formula(string $moodle, batch $batch): callable {
    global $CFG;
    define('MOODLE_INTERNAL', true);
    $CFG = (object) ['dirroot' => "$moodle/public"];
    require_once("$moodle/public/lib/mathslib.php");
    return static function () use ($batch): array {
        $formula = new \calc_formula(CALCULATION);
        $results = [];
        for ($u = 0; $u < USERS; $u++) {
            $params = [];
            for ($v = 1; $v <= 9; $v++) {
                $params["gi$v"] = $batch->grades[$v - 1][$u] ?? 0;
            }
            $formula->set_params($params);
            $results[] = $formula->evaluate();
        }
        return $results;
    };
}

$runs = (int) ($argv[1] ?? 9);
$engines = ['php' => new php_engine()];
if (getenv('ACCEL_LIBRARY')) {
    $header = file_get_contents(dirname(__DIR__, 2) . '/plugins/local_accel/native/accel.h');
    $engines['native'] = new native_engine(new native\grade(new native\handle(\FFI::cdef($header, getenv('ACCEL_LIBRARY')))));
}
$batch = batch();
$items = array_fill(0, ITEMS, new item(0.0, 100.0, 0.0, 1 / ITEMS, false));
$weighted = array_fill(0, ITEMS, new item(0.0, 100.0, 2.5, 1 / ITEMS, false));
$carry = new carry(0.0, 100.0);
$entries = [];
foreach (METHODS as $name => $method) {
    foreach (['' => [0, 0], ', drop lowest 3' => [3, 0], ', keep highest 20' => [0, 20]] as $limit => [$drop, $keep]) {
        if ($limit !== '' && !in_array($name, ['mean', 'natural'], true)) {
            continue;
        }
        $category = new category($method, $drop, $keep, false, false, 1.0, false, true);
        $columns = $name === 'weighted mean' ? $weighted : $items;
        $calls = array_map(
            static fn(engine $engine): callable => static fn() => $engine->aggregate($category, $columns, $batch, $carry),
            $engines,
        );
        array_push($entries, ...times($name . $limit, $calls, $runs));
    }
}
$variables = array_map(static fn(int $v): string => "gi$v", range(1, 9));
$inputs = array_slice($batch->grades, 0, 9);
$calls = array_map(
    static fn(engine $engine): callable =>
        static fn() => $engine->evaluate(formula::compile(CALCULATION, $variables), $inputs, USERS),
    $engines,
);
if (getenv('MOODLE_DIR')) {
    $calls = ['moodle' => moodle_formula(getenv('MOODLE_DIR'), $batch)] + $calls;
}
array_push($entries, ...times('formula of 9 inputs', $calls, $runs));
echo json_encode(
    ['php' => PHP_VERSION, 'opcache' => (bool) ini_get('opcache.enable_cli'), 'users' => USERS, 'items' => ITEMS, 'times' => $entries],
    JSON_PRETTY_PRINT | JSON_THROW_ON_ERROR,
), "\n";
