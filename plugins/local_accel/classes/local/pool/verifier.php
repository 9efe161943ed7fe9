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
 * Compares what is in a pool with what the database lists.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class verifier {
    /**
     * Make a verifier.
     *
     * @param engine $engine
     * @param catalogue $catalogue
     * @param string $root the pool's folder
     * @param string $trash the folder of deleted objects
     * @param int $grace seconds for which a file without a database row may be an upload that is under way
     */
    public function __construct(
        /** @var engine Reads the pool. */
        private engine $engine,
        /** @var catalogue What the database knows. */
        private catalogue $catalogue,
        /** @var string The pool's folder. */
        private string $root,
        /** @var string The folder of deleted objects. */
        private string $trash,
        /** @var int Seconds for which a file without a database row may be an upload that is under way. */
        private int $grace,
    ) {
    }

    /**
     * Verify units in their order and yield a {@see verdict} for each, with signs of life between them.
     *
     * @param int[] $units
     * @param effort $effort
     * @return \Generator<int, verdict|progress>
     * @throws unavailable if the pool cannot be listed
     */
    public function verify(array $units, effort $effort): \Generator {
        foreach ($this->engine->scan($this->root, $units, $effort) as $step) {
            yield $step instanceof contents ? $this->judge($step) : $step;
        }
    }

    /**
     * Compare a unit with the database.
     *
     * @param contents $contents
     * @return verdict
     */
    private function judge(contents $contents): verdict {
        clearstatcache();
        $findings = array_filter($contents->findings, fn(finding $finding): bool =>
            $finding->problem !== problem::LEFTOVER || $this->is_old($finding->path));
        if ($contents->unit !== layout::ROOT) {
            $listed = $this->catalogue->listed($contents->unit);
            unset($listed[layout::EMPTY_HASH]);
            $findings = [...$findings, ...$this->unlike($contents, $listed), ...$this->orphans($contents, $listed)];
        }
        usort($findings, static fn(finding $one, finding $other): int => $one->compare($other));
        return new verdict($contents->unit, $contents->files, $contents->bytes, $contents->vanished, $findings);
    }

    /**
     * Return the listed objects that are missing or have another size.
     *
     * @param contents $contents
     * @param array $listed as {@see catalogue::listed()} gives it
     * @return finding[]
     */
    private function unlike(contents $contents, array $listed): array {
        $bad = [];
        foreach ($contents->findings as $finding) {
            if ($finding->problem === problem::CORRUPT || $finding->problem === problem::UNREADABLE) {
                $bad[$finding->path] = true;
            }
        }
        $findings = [];
        foreach (array_filter($listed) as $hash => [$smallest, $largest]) {
            $path = layout::path($hash);
            // Of what cannot be read nobody knows whether it is missing, be it the object or a folder on the way.
            if (isset($bad[$path]) || isset($bad[dirname($path)]) || isset($bad[substr($hash, 0, 2)])) {
                continue;
            }
            $size = $contents->objects[$hash] ?? null;
            if ($size === null) {
                if ($this->is_missing($hash)) {
                    $findings[] = new finding(problem::MISSING, $path, $this->is_in_trash($hash) ? finding::IN_TRASH : '');
                }
            } else if ($smallest !== $size || $largest !== $size) {
                $findings[] = new finding(problem::WRONG_SIZE, $path, (string) ($smallest === $size ? $largest : $smallest));
            }
        }
        return $findings;
    }

    /**
     * Return the objects that no row of the database lists.
     *
     * @param contents $contents
     * @param array $listed as {@see catalogue::listed()} gives it
     * @return finding[]
     */
    private function orphans(contents $contents, array $listed): array {
        $findings = [];
        foreach (array_diff_key($contents->objects, $listed, [layout::EMPTY_HASH => 0]) as $hash => $size) {
            $path = layout::path($hash);
            if ($this->is_old($path) && !$this->catalogue->lists($hash, false)) {
                $findings[] = new finding(problem::ORPHANED, $path);
            }
        }
        return $findings;
    }

    /**
     * Tell whether an object that was not seen is really missing: it is not there now, and its row still is.
     *
     * @param string $hash
     * @return bool
     */
    private function is_missing(string $hash): bool {
        return !file_exists($this->root . '/' . layout::path($hash))
            && $this->catalogue->lists($hash, true)
            && !$this->catalogue->is_elsewhere($hash);
    }

    /**
     * Tell whether a file is there and was written so long ago that no upload is about to list it.
     *
     * @param string $path relative to the pool
     * @return bool
     */
    private function is_old(string $path): bool {
        $written = @filemtime($this->root . '/' . $path);
        return $written !== false && $written <= time() - $this->grace;
    }

    /**
     * Tell whether a deleted object of this hash is in the trash, in one of the two places where Moodle looks for it.
     *
     * @param string $hash
     * @return bool
     */
    private function is_in_trash(string $hash): bool {
        return file_exists($this->trash . '/' . layout::path($hash)) || file_exists($this->trash . '/' . $hash);
    }
}
