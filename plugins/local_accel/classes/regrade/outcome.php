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

namespace local_accel\regrade;

/**
 * What a regrade did.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class outcome implements \JsonSerializable {
    /**
     * Describe a regrade.
     *
     * @param string $engine rust or php, or core for Moodle's own code; empty if there was nothing to do
     * @param int $users how many users have grades in the course
     * @param int $inserted how many grades were inserted
     * @param int $updated how many grades got another value
     * @param int $attempts how often the regrade began
     * @param left_to_core|null $left why the course was left to Moodle's own code
     * @param array $errors what Moodle's own code reported, by the id of a grade item
     */
    public function __construct(
        /** @var string The engine: native or php, or core for Moodle's own code; empty if there was nothing to do. */
        public string $engine,
        /** @var int How many users have grades in the course. */
        public int $users = 0,
        /** @var int How many grades were inserted. */
        public int $inserted = 0,
        /** @var int How many grades got another value. */
        public int $updated = 0,
        /** @var int How often the regrade began. */
        public int $attempts = 0,
        /** @var left_to_core|null Why the course was left to Moodle's own code. */
        public ?left_to_core $left = null,
        /** @var array What Moodle's own code reported, by the id of a grade item. */
        public array $errors = [],
    ) {
    }

    /**
     * Return what a person reads.
     *
     * @return string
     */
    public function text(): string {
        return match ($this->engine) {
            '' => get_string('regradenothing', 'local_accel'),
            'core' => get_string('regradeleft', 'local_accel', (object) [
                'reason' => $this->left->reason->text(),
                'detail' => $this->left->getMessage(),
            ]),
            default => get_string('regradedone', 'local_accel', $this),
        };
    }

    #[\Override]
    public function jsonSerialize(): array {
        return [
            'engine' => $this->engine,
            'users' => $this->users,
            'inserted' => $this->inserted,
            'updated' => $this->updated,
            'attempts' => $this->attempts,
            'left' => $this->left?->getMessage(),
            'errors' => $this->errors,
        ];
    }
}
