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

use Random\Engine\Mt19937;
use Random\Randomizer;

/**
 * Makes random calculations: most are well formed, some are damaged, some are heaps of tokens.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class formula_generator {
    /** The variables that exist. */
    public const VARIABLES = ['gi1', 'gi2', 'gi30', 'gi456'];
    /** How many users each column has. */
    public const USERS = 6;
    /** Operators, the frequent ones often. */
    private const OPERATORS = ['+', '+', '-', '-', '*', '*', '/', '/', '^', '%', '<', '>', '<=', '>=', '==', '*-', '+ -'];
    /** Functions of one number whose results do not depend on the C library. */
    private const EXACT = ['sqrt', 'abs', 'floor', 'ceil'];
    /** Functions of one number. */
    private const NUMERIC = ['sin', 'sinh', 'arcsin', 'asin', 'arcsinh', 'asinh', 'cos', 'cosh', 'arccos', 'acos', 'arccosh',
        'acosh', 'tan', 'tanh', 'arctan', 'atan', 'arctanh', 'atanh', 'ln', 'log', 'exp', ...self::EXACT];
    /** The other functions with the numbers of arguments they take. */
    private const SPREADSHEET = ['average' => [1, 2, 4], 'max' => [1, 2, 3, 5], 'min' => [1, 2, 3, 5], 'mod' => [2], 'pi' => [0],
        'power' => [2], 'round' => [1, 2], 'sum' => [1, 2, 3, 6], 'if' => [3], 'ifthenelse' => [3], 'and' => [1, 2, 3],
        'cond_and' => [2], 'or' => [1, 2, 3], 'cond_or' => [2]];
    /** Numbers as people and adversaries write them. */
    private const NUMBERS = ['0', '1', '2', '3', '5', '10', '100', '0.5', '0.1', '.25', '5.', '00', '0.0', '.0', '007', '1e3',
        '1e-3', '2.5e+2', '1e', '3e+', '99999999999', '9007199254740993', '9223372036854775807', '1e15', '1e18', '33.33333',
        '66.66667', '0.285'];
    /** What a heap is made of. */
    private const TOKENS = ['(', ')', ',', '+', '-', '*', '/', '^', '%', '<', '>', '=', '_', ' ', "\t", ';', ':', '[', 'gi1',
        'gi9', 'GI2', 'max(', 'pi()', 'pi', 'sin(', 'e', '1', '2.5', '.', '1e5', 'rand_int(1,2)', 'rand_float()', '#',
        'é', '!', '&'];

    /** @var Randomizer The source of chance. */
    private readonly Randomizer $randomizer;

    /**
     * Start from a seed.
     *
     * @param int $seed
     * @param bool $portable whether to leave out functions whose last bit is up to the C library
     */
    public function __construct(
        int $seed,
        /** @var bool Whether to leave out functions whose last bit is up to the C library. */
        private readonly bool $portable,
    ) {
        $this->randomizer = new Randomizer(new Mt19937($seed));
    }

    /**
     * Return a calculation.
     *
     * @return string
     */
    public function calculation(): string {
        $kind = $this->below(100);
        if ($kind < 5) {
            return '=' . implode('', array_map(fn(): string => $this->pick(self::TOKENS), range(0, $this->below(8))));
        }
        $text = $this->expression($this->below(5));
        if ($kind < 15) {
            $at = $this->below(strlen($text) + 1);
            $text = substr($text, 0, $at) . $this->pick(self::TOKENS) . substr($text, $at + $this->below(2));
        }
        return ($this->below(50) ? '=' : '') . ($this->below(10) ? $text : strtoupper($text));
    }

    /**
     * Return a column of grades for each variable.
     *
     * @return list<list<float|null>>
     */
    public function columns(): array {
        $column = fn(): array => array_map(fn(): ?float => $this->grade(), range(1, self::USERS));
        return array_map($column, self::VARIABLES);
    }

    /**
     * Return a grade.
     *
     * @return float|null
     */
    private function grade(): ?float {
        return match ($this->below(8)) {
            0 => null,
            1 => 0.0,
            2 => (float) $this->below(101),
            3 => -$this->below(1000001) / 100000,
            4 => $this->below(100) * 1e8,
            5 => (float) ($this->below(3) - 1),
            default => $this->below(10000001) / 100000,
        };
    }

    /**
     * Return an expression.
     *
     * @param int $depth
     * @return string
     */
    private function expression(int $depth): string {
        $kind = $depth > 0 ? $this->below(10) : 10;
        $space = $this->below(4) ? '' : ' ';
        if ($kind < 5) {
            return $this->expression($depth - 1) . $space . $this->pick(self::OPERATORS) . $space . $this->expression($depth - 1);
        }
        if ($kind === 5) {
            return "($space" . $this->expression($depth - 1) . "$space)";
        }
        if ($kind === 6) {
            return '-' . $space . $this->expression($depth - 1);
        }
        if ($kind === 7 && $this->below(2)) {
            return $this->pick($this->portable ? self::EXACT : self::NUMERIC) . '(' . $this->expression($depth - 1) . ')';
        }
        if ($kind < 10) {
            $function = $this->pick(array_keys(self::SPREADSHEET));
            $arguments = [];
            for ($i = $this->pick(self::SPREADSHEET[$function]); $i > 0; $i--) {
                $arguments[] = $this->expression($depth - 1);
            }
            return "$function(" . implode(",$space", $arguments) . ')';
        }
        return $this->below(2) ? $this->pick(self::NUMBERS) : $this->variable();
    }

    /**
     * Return a variable, now and then one that does not exist.
     *
     * @return string
     */
    private function variable(): string {
        return $this->below(60) ? $this->pick(self::VARIABLES) : 'gi7';
    }

    /**
     * Return one of some values.
     *
     * @param array $values
     * @return mixed
     */
    private function pick(array $values): mixed {
        return $values[$this->below(count($values))];
    }

    /**
     * Return a whole number below a limit.
     *
     * @param int $limit
     * @return int
     */
    private function below(int $limit): int {
        return $this->randomizer->getInt(0, $limit - 1);
    }
}
