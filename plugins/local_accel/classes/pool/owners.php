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

namespace local_accel\pool;

/**
 * Finds the files of the site that an object of the pool is the content of.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class owners {
    /**
     * Make it.
     *
     * @param \moodle_database $db
     */
    public function __construct(
        /** @var \moodle_database The site's database. */
        private \moodle_database $db,
    ) {
    }

    /**
     * Return files that have this content.
     *
     * @param string $contenthash
     * @param int $limit how many at most
     * @return array[] each with component, filearea, itemid, filepath, filename, filesize, context (its name) and url
     */
    public function of(string $contenthash, int $limit): array {
        $select = "contenthash = :hash AND filename <> '.'";
        $fields = 'id, contextid, component, filearea, itemid, filepath, filename, filesize';
        $records = $this->db->get_records_select('files', $select, ['hash' => $contenthash], 'id', $fields, 0, $limit);
        return array_values(array_map(static function (\stdClass $file): array {
            $context = \core\context::instance_by_id($file->contextid, IGNORE_MISSING);
            return [
                'component' => $file->component,
                'filearea' => $file->filearea,
                'itemid' => (int) $file->itemid,
                'filepath' => $file->filepath,
                'filename' => $file->filename,
                'filesize' => (int) $file->filesize,
                'context' => $context ? $context->get_context_name() : null,
                'url' => $context ? $context->get_url()->out(false) : null,
            ];
        }, $records));
    }
}
