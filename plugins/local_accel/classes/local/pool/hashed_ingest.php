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

use local_accel\local\native\hash;
use local_accel\local\native\loader;

/**
 * For classes that extend file_system_filedir: files are hashed while they are copied into the pool.
 *
 * Core reads a new file three times: to hash it, to copy it, and to hash the copy. Here it is read once for the hash and the
 * copy, and once more to compare the two. All else stays with the parent, which is called in the end and finds the content in
 * its place: what it does with content that is there already, with collisions, and what other file systems note of new files.
 *
 * Content that the pool has already is copied in vain, unless the caller knows its hash.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
trait hashed_ingest {
    /** @var array|null Hash and size of the file that is being added, as the copy has told them. */
    private ?array $ingested = null;

    /**
     * Add a file to the pool.
     *
     * @param string $pathname where it is
     * @param string|null $contenthash its SHA-1 if the caller knows it
     * @return array hash, size, and whether the content is new
     * @throws \file_exception if it cannot be read or stored
     */
    #[\Override]
    public function add_file_from_path($pathname, $contenthash = null) {
        global $CFG;
        $trusted = $contenthash !== null && empty($CFG->debugdeveloper);
        // What needs no copy, or is no file, is no business of this trait.
        if (
            !is_readable($pathname) || !@filesize($pathname)
            || $trusted && file_exists($this->get_local_path_from_hash($contenthash, false))
        ) {
            return parent::add_file_from_path($pathname, $contenthash);
        }
        $previous = ignore_user_abort(true);
        // The name is that of an upload under way, so that a verification knows it if it is left over.
        $staged = "{$this->filedir}/" . bin2hex(random_bytes(20)) . '.tmp';
        try {
            [$hash, $size] = $this->ingest()->stage($pathname, $staged);
            if ($contenthash !== null && $hash !== $contenthash) {
                if ($trusted) {
                    throw new \file_exception('storedfilecannotcreatefile');
                }
                debugging("Invalid contenthash submitted for file {$pathname}", DEBUG_DEVELOPER);
            }
            $new = $this->put_in_place($staged, $hash);
            $this->ingested = [$hash, $size];
            $result = parent::add_file_from_path($pathname, $hash);
            $result[2] = $result[2] || $new;
            return $result;
        } catch (copy_failed $error) {
            throw new \file_exception('storedfilecannotcreatefile', '', '', null, $error->getMessage());
        } finally {
            $this->ingested = null;
            if (file_exists($staged)) {
                @unlink($staged);
            }
            ignore_user_abort($previous);
        }
    }

    /**
     * Return hash and size of a file, which are known while it is being added.
     *
     * @param string|null $contenthash
     * @param string $pathname
     * @return array
     */
    #[\Override]
    protected function validate_hash_and_file_size($contenthash, $pathname) {
        return $this->ingested ?? parent::validate_hash_and_file_size($contenthash, $pathname);
    }

    /**
     * Move a staged file to where its content belongs, unless there is something already.
     *
     * @param string $staged
     * @param string $hash
     * @return bool whether it was moved
     * @throws \file_exception
     */
    private function put_in_place(string $staged, string $hash): bool {
        $target = $this->get_local_path_from_hash($hash, false);
        if (file_exists($target)) {
            return false;
        }
        $folder = dirname($target);
        // Another process may make the same folder at the same time.
        if (!is_dir($folder) && !@mkdir($folder, $this->dirpermissions, true) && !is_dir($folder)) {
            throw new \file_exception('storedfilecannotcreatefiledirs');
        }
        chmod($staged, $this->filepermissions);
        if (!@rename($staged, $target)) {
            throw new \file_exception('storedfilecannotcreatefile');
        }
        return true;
    }

    /**
     * Return what copies and hashes.
     *
     * @return ingest
     */
    private function ingest(): ingest {
        $handle = \core\di::get(loader::class)->handle();
        $php = new php_copier();
        return new ingest($handle ? new native_copier(new hash($handle), $php) : $php);
    }
}
