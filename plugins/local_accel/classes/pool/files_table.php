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

use local_accel\local\pool\catalogue;
use local_accel\local\pool\layout;

/**
 * What Moodle's files table and file system know of the objects of the pool.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final readonly class files_table implements catalogue {
    /**
     * Make a catalogue.
     *
     * @param \moodle_database $db
     * @param \file_system $filesystem
     */
    public function __construct(
        /** @var \moodle_database The site's database. */
        private \moodle_database $db,
        /** @var \file_system The site's file system. */
        private \file_system $filesystem,
    ) {
    }

    #[\Override]
    public function listed(int $unit): array {
        // A range, because LIKE does without the index where the database has another collation than C.
        $conditions = 'contenthash >= :first';
        $params = ['first' => layout::unit_name($unit)];
        if ($unit < layout::ROOT - 1) {
            $conditions .= ' AND contenthash < :next';
            $params['next'] = layout::unit_name($unit + 1);
        }
        $sql = "SELECT contenthash,
                       MIN(CASE WHEN referencefileid IS NULL THEN filesize END) AS smallest,
                       MAX(CASE WHEN referencefileid IS NULL THEN filesize END) AS largest
                  FROM {files}
                 WHERE {$conditions}
              GROUP BY contenthash";
        $listed = [];
        $records = $this->db->get_recordset_sql($sql, $params);
        foreach ($records as $record) {
            $listed[$record->contenthash] = $record->smallest === null
                ? null
                : [(int) $record->smallest, (int) $record->largest];
        }
        $records->close();
        return $listed;
    }

    #[\Override]
    public function lists(string $hash, bool $withcontent): bool {
        $select = 'contenthash = :hash' . ($withcontent ? ' AND referencefileid IS NULL' : '');
        return $this->db->record_exists_select('files', $select, ['hash' => $hash]);
    }

    #[\Override]
    public function is_elsewhere(string $hash): bool {
        return $this->filesystem->is_file_readable_remotely_by_hash($hash);
    }

    /**
     * Tell whether the database lists any content at all.
     *
     * @return bool
     */
    public function has_content(): bool {
        return $this->db->record_exists_select('files', 'filesize > 0 AND referencefileid IS NULL');
    }
}
