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
 * A calculation in Moodle's formula language, compiled.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class formula {
    /**
     * Take what the parser found.
     *
     * @param string $text the calculation, without its equals sign and in lower case
     * @param list<string> $variables the names of the variables, in the order of their columns
     * @param list<array{string, int|float|string}> $program instructions in postfix order: a word and its operand
     */
    private function __construct(
        /** @var string The calculation, without its equals sign and in lower case. */
        public string $text,
        /** @var list<string> The names of the variables, in the order of their columns. */
        public array $variables,
        /** @var list<array{string, int|float|string}> Instructions in postfix order: a word and its operand. */
        public array $program,
    ) {
    }

    /**
     * Compile a calculation.
     *
     * @param string $calculation as grade_items holds it, such as =##gi12##+max(##gi3##,2)
     * @param list<string> $variables the names of the variables, such as gi12, in the order of their columns
     * @return self
     * @throws formula_error when it cannot be evaluated exactly as Moodle would
     */
    public static function compile(string $calculation, array $variables): self {
        $calculation = preg_replace('/##(gi\d+)##/', '\1', $calculation);
        if (!str_starts_with($calculation, '=')) {
            throw new formula_error("the calculation '$calculation' does not start with an equals sign");
        }
        $text = trim(strtolower(substr($calculation, 1)));
        return new self($text, $variables, (new parser($text, $variables))->parse());
    }
}
