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

namespace local_accel\local\grade;

/**
 * Reads a calculation as Moodle's EvalMath does: with its precedence, in which comparisons bind tightest, and its functions.
 *
 * What EvalMath rejects is an error here too, and so are random numbers.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class parser {
    /** The operators' precedence; an underscore is the sign that changes a number's sign. */
    private const PRECEDENCE = [
        '+' => 0, '-' => 0,
        '*' => 1, '/' => 1, '%' => 1, '_' => 1,
        '^' => 2,
        '>' => 3, '<' => 3, '<=' => 3, '>=' => 3, '==' => 3,
    ];
    /** Functions of one number, and the PHP function that computes each. */
    public const NUMERIC = [
        'sin' => 'sin', 'sinh' => 'sinh', 'arcsin' => 'asin', 'asin' => 'asin', 'arcsinh' => 'asinh', 'asinh' => 'asinh',
        'cos' => 'cos', 'cosh' => 'cosh', 'arccos' => 'acos', 'acos' => 'acos', 'arccosh' => 'acosh', 'acosh' => 'acosh',
        'tan' => 'tan', 'tanh' => 'tanh', 'arctan' => 'atan', 'atan' => 'atan', 'arctanh' => 'atanh', 'atanh' => 'atanh',
        'sqrt' => 'sqrt', 'abs' => 'abs', 'ln' => 'log', 'log' => 'log', 'exp' => 'exp', 'floor' => 'floor', 'ceil' => 'ceil',
    ];
    /** The other functions: the word for each, the fewest and the most arguments. */
    private const SPREADSHEET = [
        'average' => ['average', 1, PHP_INT_MAX], 'max' => ['max', 1, PHP_INT_MAX], 'min' => ['min', 1, PHP_INT_MAX],
        'sum' => ['sum', 1, PHP_INT_MAX], 'mod' => ['%', 2, 2], 'pi' => ['pi', 0, 0], 'power' => ['^', 2, 2],
        'round' => ['round', 1, 2], 'ifthenelse' => ['if', 3, 3], 'if' => ['if', 3, 3],
        'cond_and' => ['and', 1, PHP_INT_MAX], 'and' => ['and', 1, PHP_INT_MAX],
        'cond_or' => ['or', 1, PHP_INT_MAX], 'or' => ['or', 1, PHP_INT_MAX],
        'rand_int' => ['random', 2, 2], 'rand_float' => ['random', 0, 0],
    ];
    /** Words that take how a number was written as the number; for the others a written 0.0 is not zero but a text. */
    private const ARITHMETIC = ['+', '-', '*', '/', '^', '_', 'sum', 'average', 'round', ...self::NUMERIC];

    /** @var list<array{string, int|float|string}> The instructions so far. */
    private array $program = [];
    /** @var list<int|null> For each operand that the instructions leave: the index of its instruction if it is a number. */
    private array $operands = [];
    /** @var list<array{string, string|null, int}> What is open: an operator or a bracket, its function, its arguments. */
    private array $stack = [];
    /** @var int How far the text is read. */
    private int $offset = 0;

    /**
     * Prepare to read.
     *
     * @param string $text the calculation in lower case, without white space around it
     * @param list<string> $variables
     */
    public function __construct(
        /** @var string The calculation in lower case, without white space around it. */
        private readonly string $text,
        /** @var list<string> The names of the variables. */
        private readonly array $variables,
    ) {
    }

    /**
     * Read the calculation.
     *
     * @return list<array{string, int|float|string}> instructions in postfix order: a word and its operand
     * @throws formula_error
     */
    public function parse(): array {
        $length = strlen($this->text);
        $complete = false;
        while ($this->offset < $length) {
            $complete = $complete ? $this->read_operator() : $this->read_operand();
            $this->offset += strspn($this->text, ' ', $this->offset);
        }
        if (!$complete) {
            throw $this->error('it ends where a number, a name or a bracket should follow');
        }
        if ($this->close() !== null) {
            throw $this->error('a closing bracket is missing');
        }
        return $this->program;
    }

    /**
     * Read something that stands where a value begins.
     *
     * @return bool whether the value is complete
     */
    private function read_operand(): bool {
        if ($this->take('-')) {
            $this->stack[] = ['_', null, 0];
            return false;
        }
        if ($this->take('\(')) {
            $this->stack[] = ['(', null, 0];
            return false;
        }
        if ($this->take('\)')) {
            $open = array_pop($this->stack);
            if (($open[1] ?? null) === null || $open[2] !== 1) {
                throw $this->error('there is an unexpected closing bracket');
            }
            $this->call($open[1], 0);
            return true;
        }
        $word = $this->take('[a-z][a-z0-9_]*\(');
        if ($word !== null) {
            $function = substr($word, 0, -1);
            if (!isset(self::NUMERIC[$function]) && !isset(self::SPREADSHEET[$function])) {
                throw $this->error("there is no function $function");
            }
            $this->stack[] = ['(', $function, 1];
            return false;
        }
        $word = $this->take('[a-z][a-z0-9_]*|\d+(?:\.\d*)?(?:e[+-]?\d*)?|\.\d+');
        if ($word === null) {
            throw $this->error('a number, a name or a bracket is expected');
        }
        $variable = array_search($word, $this->variables, true);
        if (is_numeric($word)) {
            $this->emit('number', $word, 0);
        } else if ($variable !== false) {
            $this->emit('variable', $variable, 0);
        } else {
            $this->emit('undefined', $word, 0);
        }
        return true;
    }

    /**
     * Read something that stands after a value.
     *
     * @return bool whether what is read so far is a complete value
     */
    private function read_operator(): bool {
        $operator = $this->take('[<>=]=|[-+*/^<>%]');
        if ($operator !== null) {
            while ($this->stack && end($this->stack)[0] !== '(' && $this->yields(end($this->stack)[0], $operator)) {
                $this->operate(array_pop($this->stack)[0]);
            }
            $this->stack[] = [$operator, null, 0];
            return false;
        }
        if ($this->take('\)')) {
            $open = $this->close() ?? throw $this->error('there is an unexpected closing bracket');
            if ($open[1] !== null) {
                $this->call($open[1], $open[2]);
            }
            return true;
        }
        if ($this->take(',')) {
            $open = $this->close();
            if (($open[1] ?? null) === null) {
                throw $this->error('there is an unexpected comma');
            }
            $this->stack[] = ['(', $open[1], $open[2] + 1];
            return false;
        }
        throw $this->error('an operator is expected');
    }

    /**
     * Whether an open operator is applied before another one is opened. Only ^ goes from right to left.
     *
     * @param string $open
     * @param string $next
     * @return bool
     */
    private function yields(string $open, string $next): bool {
        $difference = self::PRECEDENCE[$open] - self::PRECEDENCE[$next];
        return $next === '^' ? $difference > 0 : $difference >= 0;
    }

    /**
     * Apply all operators up to the last open bracket, and remove it.
     *
     * @return array{string, string|null, int}|null the bracket, null if none is open
     */
    private function close(): ?array {
        while ($this->stack) {
            $open = array_pop($this->stack);
            if ($open[0] === '(') {
                return $open;
            }
            $this->operate($open[0]);
        }
        return null;
    }

    /**
     * Apply an operator.
     *
     * @param string $operator
     */
    private function operate(string $operator): void {
        $this->emit($operator, 2, $operator === '_' ? 1 : 2);
    }

    /**
     * Call a function.
     *
     * @param string $function
     * @param int $arguments how many
     */
    private function call(string $function, int $arguments): void {
        [$word, $fewest, $most] = isset(self::NUMERIC[$function])
            ? [self::NUMERIC[$function], 1, 1]
            : self::SPREADSHEET[$function];
        if ($arguments < $fewest || $arguments > $most) {
            throw $this->error("the function $function is given $arguments arguments");
        }
        if ($word === 'random') {
            throw $this->error("the function $function gives another number each time");
        }
        $this->emit($word, $arguments, $arguments);
    }

    /**
     * Add an instruction.
     *
     * @param string $word
     * @param int|float|string $operand
     * @param int $arity how many operands it takes from those before it
     */
    private function emit(string $word, int|float|string $operand, int $arity): void {
        foreach ($arity ? array_splice($this->operands, -$arity) : [] as $number) {
            if ($number !== null && in_array($word, self::ARITHMETIC, true)) {
                $this->program[$number][1] += 0;
            }
        }
        $this->operands[] = $word === 'number' ? count($this->program) : null;
        $this->program[] = [$word, $operand];
    }

    /**
     * Read what a pattern matches here.
     *
     * @param string $pattern
     * @return string|null
     */
    private function take(string $pattern): ?string {
        if (!preg_match("~$pattern~A", $this->text, $matches, 0, $this->offset)) {
            return null;
        }
        $this->offset += strlen($matches[0]);
        return $matches[0];
    }

    /**
     * Say what is wrong, and where.
     *
     * @param string $what
     * @return formula_error
     */
    private function error(string $what): formula_error {
        return new formula_error("the calculation '{$this->text}' cannot be compiled: $what, at character {$this->offset}");
    }
}
