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

namespace local_accel\local\pool;

/**
 * Reads a pool with PHP alone: one thread, a file after the other.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class php_engine implements engine {
    /** How many bytes are read at a time where the speed is limited. */
    private const CHUNK = 131072;

    /** How many seconds may pass between two signs of life. */
    private const SILENCE = 0.5;

    /** @var string The pool's folder. */
    private string $root = '';

    /** @var float When nothing is owed to the speed limit. */
    private float $free = 0.0;

    /** @var int[] Sizes by hash of the unit's objects. */
    private array $objects = [];

    /** @var finding[] The unit's findings. */
    private array $findings = [];

    /** @var int The unit's files that were read. */
    private int $files = 0;

    /** @var int The bytes of these files. */
    private int $bytes = 0;

    /** @var int The unit's files that were gone. */
    private int $vanished = 0;

    #[\Override]
    public function name(): string {
        return 'php';
    }

    #[\Override]
    public function scan(string $root, array $units, effort $effort): \Generator {
        $this->root = $root;
        $this->require_root();
        $total = 0;
        $sign = microtime(true);
        foreach ($units as $unit) {
            [$this->objects, $this->findings, $this->files, $this->bytes, $this->vanished] = [[], [], 0, 0, 0];
            foreach ($this->files($unit) as $path) {
                $total += $this->verify_file($path, $effort->bytespersecond);
                if (microtime(true) - $sign >= self::SILENCE) {
                    $sign = microtime(true);
                    yield new progress($total);
                }
            }
            $this->require_root();
            ksort($this->objects, SORT_STRING);
            usort($this->findings, static fn(finding $one, finding $other): int => $one->compare($other));
            yield new contents($unit, $this->objects, $this->files, $this->bytes, $this->vanished, $this->findings);
        }
    }

    /**
     * Make sure that the pool is there: where it is gone, all units would look empty.
     *
     * @throws unavailable
     */
    private function require_root(): void {
        error_clear_last();
        if (@scandir($this->root) === false) {
            throw new unavailable("{$this->root}: " . $this->reason());
        }
    }

    /**
     * Yield the files of a unit that are to be hashed, and note what else is in it.
     *
     * @param int $unit
     * @return \Generator<int, string>
     */
    private function files(int $unit): \Generator {
        if ($unit === layout::ROOT) {
            yield from $this->files_of_root();
            return;
        }
        $top = layout::unit_name($unit);
        $full = "{$this->root}/{$top}";
        if (!is_link($full) && !file_exists($full) || is_file($full)) {
            return;
        }
        foreach ($this->entries($top) as $path) {
            if (layout::is_folder(basename($path)) && is_dir("{$this->root}/{$path}")) {
                foreach ($this->entries($path) as $file) {
                    yield from $this->sort_out($file);
                }
            } else {
                yield from $this->sort_out($path);
            }
        }
    }

    /**
     * Yield the files in the root that are to be hashed, and note what else is in it.
     *
     * @return \Generator<int, string>
     */
    private function files_of_root(): \Generator {
        foreach ($this->entries('') as $path) {
            $full = "{$this->root}/{$path}";
            if (layout::is_folder($path) && !is_file($full)) {
                // It is a unit of its own.
                continue;
            }
            if ($path === layout::COLLISION_FOLDER && is_dir($full)) {
                foreach ($this->entries($path) as $file) {
                    $this->findings[] = new finding(problem::COLLISION, $file);
                }
            } else if ($path !== layout::WARNING_FILE || !is_file($full)) {
                yield from $this->sort_out($path);
            }
        }
    }

    /**
     * Return the paths of a folder's entries.
     *
     * @param string $folder relative to the pool
     * @return string[]
     */
    private function entries(string $folder): array {
        error_clear_last();
        $names = @scandir("{$this->root}/{$folder}", SCANDIR_SORT_NONE);
        if ($names === false) {
            $this->refused($folder);
            return [];
        }
        $prefix = $folder === '' ? '' : "{$folder}/";
        return array_map(static fn(string $name): string => $prefix . $name, array_diff($names, ['.', '..']));
    }

    /**
     * Yield a path if it is a file to be hashed, else note what it is.
     *
     * @param string $path relative to the pool
     * @return \Generator<int, string>
     */
    private function sort_out(string $path): \Generator {
        $full = "{$this->root}/{$path}";
        $name = basename($path);
        if (!file_exists($full)) {
            error_clear_last();
            @fopen($full, 'rb');
            $this->refused($path);
        } else if (is_file($full) && layout::hash_of($name) !== null) {
            yield $path;
        } else {
            $temporary = is_file($full) && layout::is_temporary($name);
            $this->findings[] = new finding($temporary ? problem::LEFTOVER : problem::FOREIGN, $path);
        }
    }

    /**
     * Hash a file and return how many bytes it has.
     *
     * @param string $path relative to the pool
     * @param int $bytespersecond the speed limit, 0 for none
     * @return int
     */
    private function verify_file(string $path, int $bytespersecond): int {
        error_clear_last();
        $file = @fopen("{$this->root}/{$path}", 'rb');
        if ($file === false) {
            $this->refused($path);
            return 0;
        }
        $context = hash_init('sha1');
        if ($bytespersecond > 0) {
            $size = $this->read_slowly($file, $context, $bytespersecond);
        } else {
            $size = hash_update_stream($context, $file);
        }
        $ended = feof($file);
        fclose($file);
        if (!$ended) {
            $this->refused($path);
            return 0;
        }
        $promised = basename($path);
        $actual = hash_final($context);
        $this->files++;
        $this->bytes += $size;
        if ($path === layout::path($promised)) {
            $this->objects[$promised] = $size;
        } else {
            $this->findings[] = new finding(problem::MISPLACED, $path, layout::path($promised));
        }
        if ($actual !== $promised) {
            $this->findings[] = new finding(problem::CORRUPT, $path, $actual);
        }
        return $size;
    }

    /**
     * Read a file within the speed limit and return how many bytes it has.
     *
     * @param resource $file
     * @param \HashContext $context
     * @param int $bytespersecond
     * @return int
     */
    private function read_slowly($file, \HashContext $context, int $bytespersecond): int {
        $size = 0;
        while (($chunk = @fread($file, self::CHUNK)) !== false && $chunk !== '') {
            hash_update($context, $chunk);
            $size += strlen($chunk);
            $now = microtime(true);
            $this->free = max($this->free, $now) + strlen($chunk) / $bytespersecond;
            if ($this->free > $now) {
                usleep((int) (($this->free - $now) * 1000000));
            }
        }
        return $size;
    }

    /**
     * Note that something cannot be read, or that it was deleted meanwhile.
     *
     * @param string $path relative to the pool
     */
    private function refused(string $path): void {
        $full = "{$this->root}/{$path}";
        clearstatcache();
        if (is_link($full) || file_exists($full)) {
            $this->findings[] = new finding(problem::UNREADABLE, $path, $this->reason());
        } else if (layout::hash_of(basename($path)) !== null) {
            $this->vanished++;
        }
    }

    /**
     * Return what the operating system said last.
     *
     * @return string
     */
    private function reason(): string {
        $message = error_get_last()['message'] ?? '';
        return substr($message, (strrpos($message, ': ') ?: -2) + 2);
    }
}
