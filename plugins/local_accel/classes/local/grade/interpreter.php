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
 * Runs a formula over columns: one instruction after the other, each for all users.
 *
 * A user whose calculation has failed takes part with a stand-in value, so that only the first failure counts.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class interpreter {
    /** @var array<int, true> The users whose calculation has failed. */
    private array $failed;
    /** @var list<list<int|float|string>> The columns that wait for an instruction. */
    private array $stack = [];

    /**
     * Prepare to run.
     *
     * @param formula $formula
     * @param list<list<float|null>> $columns by variable and user
     * @param int $users
     * @param string|null $active a byte per user: "\0" for one who is passed over; null for none such
     */
    public function __construct(
        /** @var formula The formula. */
        private readonly formula $formula,
        /** @var list<list<float|null>> By variable and user. */
        private readonly array $columns,
        /** @var int The number of users. */
        private readonly int $users,
        ?string $active,
    ) {
        $this->failed = $active === null ? [] : array_fill_keys(array_keys(str_split($active), "\0", true), true);
    }

    /**
     * Run the formula.
     *
     * @return list<float|false> by user, false for a failure
     * @throws formula_error where Moodle would not fail but stop
     */
    public function run(): array {
        foreach ($this->formula->program as [$word, $operand]) {
            $this->stack[] = match ($word) {
                'number' => array_fill(0, $this->users, $operand),
                'variable' => $this->variable($operand),
                'undefined' => $this->fail_all(),
                'pi' => array_fill(0, $this->users, M_PI),
                '_' => $this->negate(array_pop($this->stack)),
                'if' => $this->choose(...array_splice($this->stack, -3)),
                'sum', 'average' => $this->add($this->pop($operand), $word === 'average'),
                'max', 'min' => $this->extreme($this->pop($operand), $word === 'max'),
                'and', 'or' => $this->decide($this->pop($operand), $word === 'or'),
                'round' => $this->round(...$this->pop($operand)),
                '+', '-', '*', '/', '%', '^', '<', '>', '<=', '>=', '==' => $this->combine($word, ...$this->pop(2)),
                default => array_map($word, array_pop($this->stack)),
            };
        }
        $result = array_map(floatval(...), array_pop($this->stack));
        foreach ($this->failed as $u => $unused) {
            $result[$u] = false;
        }
        return $result;
    }

    /**
     * Take columns from the stack.
     *
     * @param int $count
     * @return list<list<int|float|string>>
     */
    private function pop(int $count): array {
        return array_splice($this->stack, -$count);
    }

    /**
     * Return the column of a variable. No grade counts as the whole number 0.
     *
     * @param int $variable
     * @return list<int|float>
     */
    private function variable(int $variable): array {
        $column = $this->columns[$variable];
        foreach (array_keys($column, null, true) as $u) {
            $column[$u] = 0;
        }
        return $column;
    }

    /**
     * Let the calculation fail for all users.
     *
     * @return list<int> stand-ins
     */
    private function fail_all(): array {
        $zeros = array_fill(0, $this->users, 0);
        $this->failed = array_fill_keys(array_keys($zeros), true);
        return $zeros;
    }

    /**
     * Apply an operator of two operands.
     *
     * @param string $operator
     * @param list<int|float|string> $left
     * @param list<int|float|string> $right
     * @return list<int|float>
     */
    private function combine(string $operator, array $left, array $right): array {
        switch ($operator) {
            case '+':
                foreach ($right as $u => $value) {
                    $left[$u] = $left[$u] + $value;
                }
                return $left;
            case '-':
                foreach ($right as $u => $value) {
                    $left[$u] = $left[$u] - $value;
                }
                return $left;
            case '*':
                foreach ($right as $u => $value) {
                    $left[$u] = $left[$u] * $value;
                }
                return $left;
            case '^':
                foreach ($right as $u => $value) {
                    $left[$u] = pow($left[$u], $value);
                }
                return $left;
            case '<':
                foreach ($right as $u => $value) {
                    $left[$u] = (int) ($left[$u] < $value);
                }
                return $left;
            case '>':
                foreach ($right as $u => $value) {
                    $left[$u] = (int) ($left[$u] > $value);
                }
                return $left;
            case '<=':
                foreach ($right as $u => $value) {
                    $left[$u] = (int) ($left[$u] <= $value);
                }
                return $left;
            case '>=':
                foreach ($right as $u => $value) {
                    $left[$u] = (int) ($left[$u] >= $value);
                }
                return $left;
            case '==':
                foreach ($right as $u => $value) {
                    $left[$u] = (int) ($left[$u] == $value);
                }
                return $left;
            case '/':
                foreach ($right as $u => $value) {
                    if ($value == 0) {
                        $this->failed[$u] = true;
                        $left[$u] = 0;
                    } else {
                        $left[$u] = $left[$u] / $value;
                    }
                }
                return $left;
            default:
                foreach ($right as $u => $value) {
                    $divisor = (int) $value;
                    if ($divisor !== 0) {
                        $left[$u] = (int) $left[$u] % $divisor;
                    } else if (isset($this->failed[$u])) {
                        $left[$u] = 0;
                    } else {
                        throw $this->stop('divides modulo zero');
                    }
                }
                return $left;
        }
    }

    /**
     * Change the sign.
     *
     * @param list<int|float> $values
     * @return list<int|float>
     */
    private function negate(array $values): array {
        foreach ($values as $u => $value) {
            $values[$u] = -1 * $value;
        }
        return $values;
    }

    /**
     * Choose between two columns.
     *
     * @param list<int|float|string> $conditions
     * @param list<int|float|string> $then
     * @param list<int|float|string> $else
     * @return list<int|float|string>
     */
    private function choose(array $conditions, array $then, array $else): array {
        foreach ($conditions as $u => $condition) {
            if ($condition) {
                $else[$u] = $then[$u];
            }
        }
        return $else;
    }

    /**
     * Return sums or means.
     *
     * @param non-empty-list<list<int|float>> $columns
     * @param bool $mean
     * @return list<int|float>
     */
    private function add(array $columns, bool $mean): array {
        $sums = array_fill(0, $this->users, 0);
        foreach ($columns as $column) {
            foreach ($column as $u => $value) {
                $sums[$u] += $value;
            }
        }
        if ($mean) {
            $count = count($columns);
            foreach ($sums as $u => $sum) {
                $sums[$u] = $sum / $count;
            }
        }
        return $sums;
    }

    /**
     * Return the largest or the smallest of each user's values. The last one stands unless another exceeds it.
     *
     * @param non-empty-list<list<int|float|string>> $columns
     * @param bool $largest
     * @return list<int|float|string>
     */
    private function extreme(array $columns, bool $largest): array {
        $extremes = array_pop($columns);
        foreach ($columns as $column) {
            foreach ($column as $u => $value) {
                if ($largest ? $extremes[$u] < $value : $extremes[$u] > $value) {
                    $extremes[$u] = $value;
                }
            }
        }
        return $extremes;
    }

    /**
     * Return 1 where any of a user's values is true, or where all are, else 0.
     *
     * @param non-empty-list<list<int|float|string>> $columns
     * @param bool $any
     * @return list<int>
     */
    private function decide(array $columns, bool $any): array {
        $decisions = array_fill(0, $this->users, $any ? 0 : 1);
        foreach ($columns as $column) {
            foreach ($column as $u => $value) {
                if ((bool) $value === $any) {
                    $decisions[$u] = $any ? 1 : 0;
                }
            }
        }
        return $decisions;
    }

    /**
     * Round.
     *
     * @param list<int|float> $values
     * @param list<int|float>|null $places
     * @return list<float>
     */
    private function round(array $values, ?array $places = null): array {
        if ($places === null) {
            return array_map(round(...), $values);
        }
        foreach ($places as $u => $count) {
            $count += 0;
            if (is_int($count) || $count >= -2.0 ** 63 && $count < 2.0 ** 63) {
                $values[$u] = round($values[$u], (int) $count);
            } else if (!isset($this->failed[$u])) {
                throw $this->stop('rounds to a number of places that is not a whole number');
            }
        }
        return $values;
    }

    /**
     * Say what the calculation does for a user that stops Moodle.
     *
     * @param string $what
     * @return formula_error
     */
    private function stop(string $what): formula_error {
        return new formula_error("the calculation '{$this->formula->text}' $what for a user");
    }
}
