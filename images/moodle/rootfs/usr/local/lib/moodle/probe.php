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

/**
 * What a container says about itself: is it alive, is it ready, and if not, why.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace moodle_image;

require_once(__DIR__ . '/settings.php');
require_once(__DIR__ . '/database_error.php');

/**
 * The checks behind /livez, /readyz and moodle-probe. None of them runs Moodle; together they end within DEADLINE.
 */
final readonly class probe {
    /** Seconds after which the database counts as hanging. */
    public const DEADLINE = 1.2;

    /** Moodle's settings that tell the state of an installation. */
    private const FACTS = ['version', 'allversionshash', 'upgraderunning', 'outagelessupgrade', 'maintenance_enabled', 'siteidentifier'];

    /** In the dataroot: what says whose it is. */
    private const OWNER = settings::DATAROOT . '/.site';

    /**
     * Make a probe.
     *
     * @param settings $settings
     */
    public function __construct(
        /** @var settings The container's settings. */
        private settings $settings,
    ) {
    }

    /**
     * Return all checks of readiness.
     *
     * @return array{status: string, checks: array<string, array{status: string, reason?: string}>}
     */
    public function ready(): array {
        $checks = ['server' => $this->server()];
        if ($this->settings->problems !== []) {
            $checks['configuration'] = self::fail('see the log of this container');
            return self::sum($checks);
        }
        try {
            $facts = $this->facts();
            $checks['database'] = self::ok();
            $checks['dataroot'] = $this->dataroot($facts);
            $checks['maintenance'] = $this->maintenance($facts);
            $checks['upgrade'] = $this->upgrade($facts);
        } catch (database_error $error) {
            error_log("readiness: database: {$error->getMessage()}");
            $checks['database'] = self::fail($error->reason);
            $checks['dataroot'] = $this->dataroot([]);
            $checks['maintenance'] = $this->maintenance([]);
            $checks['upgrade'] = self::fail('not known while the database does not answer');
        }
        return self::sum($checks);
    }

    /**
     * Return the checks that tasks wait for: they run in the maintenance mode that is set in the administration, as Moodle's do.
     *
     * @return array{status: string, checks: array<string, array{status: string, reason?: string}>}
     */
    public function tasks(): array {
        $checks = $this->ready()['checks'];
        if (!is_file(settings::DATAROOT . '/climaintenance.html')) {
            unset($checks['maintenance']);
        }
        return self::sum($checks);
    }

    /**
     * Say whether Moodle is in the database: installed, empty, or why that isn't known.
     *
     * @return string
     */
    public function installation(): string {
        try {
            return empty($this->facts()['version']) ? 'empty' : 'installed';
        } catch (database_error $error) {
            return "the database {$error->reason}: {$error->getMessage()}";
        }
    }

    /**
     * Say what in the database is newer than this code.
     *
     * @return string '' if nothing is, or if that isn't known because the database does not answer
     */
    public function newer(): string {
        try {
            return self::newer_in($this->facts());
        } catch (database_error) {
            return '';
        }
    }

    /**
     * Say what in the database is newer than this code.
     *
     * @param array<string, string> $facts
     * @return string '' if nothing is
     */
    private static function newer_in(array $facts): string {
        foreach (settings::code()['versions'] as $component => $version) {
            $there = $facts[$component === 'core' ? 'version' : $component] ?? '';
            if ((float) $there > (float) $version) {
                $what = $component === 'core' ? 'the database' : "{$component} in the database";
                return "{$what} is of version {$there}, newer than this code ({$version}): run a newer image";
            }
        }
        return '';
    }

    /**
     * Return the checks of liveness: that this runs is all.
     *
     * @return array{status: string, checks: array<string, array{status: string, reason?: string}>}
     */
    public function live(): array {
        return self::sum([]);
    }

    /**
     * Is the web server open to visitors? Other roles have none.
     *
     * @return array{status: string, reason?: string}
     */
    private function server(): array {
        return match (true) {
            is_file(settings::RUN . '/stopping') => self::fail('stopping'),
            is_file(settings::RUN . '/starting') => self::fail('starting'),
            is_file(settings::RUN . '/closed.html') => self::fail('closed until code and database belong together'),
            default => self::ok(),
        };
    }

    /**
     * Write into the dataroot which site it belongs to.
     *
     * @throws database_error
     */
    public function claim(): void {
        self::write_owner(self::owner($this->facts()));
    }

    /**
     * Return what tells the site in the database from all others; the end of Moodle's identifier may change.
     *
     * @param array<string, string> $facts
     * @return string '' if there is none
     */
    private static function owner(array $facts): string {
        $identifier = substr($facts['siteidentifier'] ?? '', 0, 32);
        return $identifier === '' ? '' : hash('sha256', $identifier);
    }

    /**
     * Write whose the dataroot is.
     *
     * @param string $owner
     */
    private static function write_owner(string $owner): void {
        $new = self::OWNER . '.' . getmypid();
        if (@file_put_contents($new, "{$owner}\n") !== false) {
            rename($new, self::OWNER);
        }
    }

    /**
     * Can Moodle's files be written, and are they this site's?
     *
     * @param array<string, string> $facts Moodle's settings, as far as they are known
     * @return array{status: string, reason?: string}
     */
    private function dataroot(array $facts): array {
        clearstatcache();
        if (!is_dir(settings::DATAROOT)) {
            return self::fail(settings::DATAROOT . ' is not there');
        }
        if (!is_writable(settings::DATAROOT)) {
            return self::fail(settings::DATAROOT . ' is not writable for user ' . posix_geteuid());
        }
        $owner = self::owner($facts);
        if ($owner !== '' && !is_file(settings::DATAROOT . '/.installing')) {
            if (!is_file(self::OWNER) && is_dir(settings::DATAROOT . '/filedir')) {
                // A site that was installed by other means: from now on its files are known to be its own.
                self::write_owner($owner);
            } else if (!is_file(self::OWNER)) {
                return self::fail('it holds no files of this site: filedir is not there');
            } else if (trim((string) @file_get_contents(self::OWNER)) !== $owner) {
                return self::fail('it holds the files of another site than the one in the database');
            }
        }
        $free = (int) (@disk_free_space(settings::DATAROOT) / 1048576);
        return $free < 64 ? self::ok("only {$free} MiB are free") : self::ok();
    }

    /**
     * Is the site in maintenance mode?
     *
     * @param array<string, string> $facts Moodle's settings, as far as they are known
     * @return array{status: string, reason?: string}
     */
    private function maintenance(array $facts): array {
        if (is_file(settings::DATAROOT . '/climaintenance.html')) {
            return self::fail('maintenance mode is on: climaintenance.html is in the dataroot');
        }
        if (!empty($facts['maintenance_enabled'])) {
            return self::fail('maintenance mode is on: maintenance_enabled is set');
        }
        return self::ok();
    }

    /**
     * Do code and database belong together?
     *
     * @param array<string, string> $facts Moodle's settings, empty if it is not installed
     * @return array{status: string, reason?: string}
     */
    private function upgrade(array $facts): array {
        $code = settings::code();
        if (is_file(settings::DATAROOT . '/.installing')) {
            return self::fail('an installation is running, or was cut off');
        }
        if (empty($facts['version'])) {
            return self::fail('Moodle is not installed in this database: run the role install');
        }
        if (!empty($facts['outagelessupgrade'])) {
            return self::ok('an upgrade without outage is running');
        }
        if ((int) ($facts['upgraderunning'] ?? 0) > time()) {
            return self::fail('an upgrade is running');
        }
        if ($this->settings->on('DEV') || ($facts['allversionshash'] ?? '') === $code['versionshash']) {
            return self::ok();
        }
        return self::fail(self::newer_in($facts) ?: 'an upgrade is pending: run the role upgrade');
    }

    /**
     * Ask the database for Moodle's state.
     *
     * @return array<string, string> the FACTS that are set, and the versions of the plugins if they aren't this code's; empty if Moodle
     *     is not installed
     * @throws database_error
     */
    private function facts(): array {
        $names = "'" . implode("', '", self::FACTS) . "'";
        $prefix = $this->settings->text('DB_PREFIX');
        $differs = "SELECT 1 FROM {$prefix}config WHERE name = 'allversionshash' AND value <> '" . settings::code()['versionshash'] . "'";
        $sql = "SELECT name, value FROM {$prefix}config WHERE name IN ({$names}) UNION ALL "
            . "SELECT plugin, value FROM {$prefix}config_plugins WHERE name = 'version' AND EXISTS ({$differs})";
        $until = microtime(true) + self::DEADLINE;
        return $this->settings->text('DB_TYPE') === 'pgsql' ? $this->postgres($sql, $until) : $this->mysql($sql, $until);
    }

    /**
     * Run a query of names and values on PostgreSQL, without ever waiting longer than until a moment.
     *
     * @param string $sql
     * @param float $until in seconds since the epoch
     * @return array<string, string>
     * @throws database_error
     */
    private function postgres(string $sql, float $until): array {
        $parts = [
            'host' => $this->settings->text('DB_HOST'),
            'port' => $this->settings->text('DB_PORT') ?: '5432',
            'dbname' => $this->settings->text('DB_NAME'),
            'user' => $this->settings->text('DB_USER'),
            'password' => $this->settings->text('DB_PASSWORD'),
        ];
        $quoted = array_map(fn($key, $value) => "{$key}='" . addcslashes($value, "'\\") . "'", array_keys($parts), $parts);
        $connection = @pg_connect(implode(' ', $quoted), PGSQL_CONNECT_FORCE_NEW | PGSQL_CONNECT_ASYNC);
        if ($connection === false) {
            throw new database_error('does not accept a connection', error_get_last()['message'] ?? '');
        }
        for ($state = PGSQL_POLLING_WRITING; $state !== PGSQL_POLLING_OK; $state = pg_connect_poll($connection)) {
            if ($state === PGSQL_POLLING_FAILED) {
                $message = pg_last_error($connection);
                $refused = str_contains($message, 'authentication') || str_contains($message, 'role');
                throw new database_error($refused ? 'refuses user or password' : 'does not accept a connection', $message);
            }
            $this->wait(pg_socket($connection), $state === PGSQL_POLLING_READING, $until);
        }
        pg_send_query($connection, $sql);
        while (pg_connection_busy($connection)) {
            $this->wait(pg_socket($connection), true, $until);
        }
        $result = pg_get_result($connection);
        $state = $result === false ? 'none' : pg_result_error_field($result, PGSQL_DIAG_SQLSTATE);
        $rows = $state === null ? pg_fetch_all($result) : [];
        $message = pg_last_error($connection);
        pg_close($connection);
        if ($state !== null && $state !== '42P01') {
            throw new database_error('does not answer a query', $message);
        }
        return array_column($rows, 'value', 'name');
    }

    /**
     * Wait for a connection.
     *
     * @param resource|false $socket
     * @param bool $reading for bytes to come, otherwise until bytes can be sent
     * @param float $until in seconds since the epoch
     * @throws database_error
     */
    private function wait($socket, bool $reading, float $until): void {
        $left = (int) (($until - microtime(true)) * 1e6);
        if (!is_resource($socket)) {
            throw new database_error('does not accept a connection', 'the connection has no socket');
        }
        $read = $reading ? [$socket] : [];
        $write = $reading ? [] : [$socket];
        $except = [];
        if ($left <= 0 || stream_select($read, $write, $except, 0, $left) === 0) {
            throw new database_error('does not answer in time', 'no answer within ' . self::DEADLINE . ' s');
        }
    }

    /**
     * Run a query of names and values on MariaDB or MySQL, without waiting longer than until a moment.
     *
     * @param string $sql
     * @param float $until in seconds since the epoch
     * @return array<string, string>
     * @throws database_error
     */
    private function mysql(string $sql, float $until): array {
        mysqli_report(MYSQLI_REPORT_OFF);
        $connection = mysqli_init();
        // Both are whole seconds: connecting ends after one, whatever it waits for.
        $connection->options(MYSQLI_OPT_CONNECT_TIMEOUT, 1);
        $connection->options(MYSQLI_OPT_READ_TIMEOUT, 1);
        $connected = @$connection->real_connect(
            $this->settings->text('DB_HOST'),
            $this->settings->text('DB_USER'),
            $this->settings->text('DB_PASSWORD'),
            $this->settings->text('DB_NAME'),
            (int) $this->settings->text('DB_PORT') ?: 3306,
        );
        if (!$connected) {
            $reason = match ($connection->connect_errno) {
                1044, 1045, 1698 => 'refuses user or password',
                2006, 2013 => 'does not answer in time',
                default => 'does not accept a connection',
            };
            throw new database_error($reason, (string) $connection->connect_error);
        }
        $connection->query($sql, MYSQLI_ASYNC);
        $read = $error = $reject = [$connection];
        $left = max(0, (int) (($until - microtime(true)) * 1e6));
        if (mysqli_poll($read, $error, $reject, 0, $left) !== 1) {
            throw new database_error('does not answer in time', 'no answer within ' . self::DEADLINE . ' s');
        }
        $result = $connection->reap_async_query();
        if ($result === false && $connection->errno !== 1146) {
            throw new database_error('does not answer a query', $connection->error);
        }
        $rows = $result === false ? [] : $result->fetch_all(MYSQLI_ASSOC);
        $connection->close();
        return array_column($rows, 'value', 'name');
    }

    /**
     * Return a check that is well.
     *
     * @param string $remark what else there is to say
     * @return array{status: string, reason?: string}
     */
    private static function ok(string $remark = ''): array {
        return ['status' => 'ok'] + ($remark === '' ? [] : ['reason' => $remark]);
    }

    /**
     * Return a check that is not well.
     *
     * @param string $reason
     * @return array{status: string, reason: string}
     */
    private static function fail(string $reason): array {
        return ['status' => 'fail', 'reason' => $reason];
    }

    /**
     * Return checks with what they come to.
     *
     * @param array<string, array{status: string, reason?: string}> $checks
     * @return array{status: string, checks: array<string, array{status: string, reason?: string}>}
     */
    private static function sum(array $checks): array {
        $failed = in_array('fail', array_column($checks, 'status'), true);
        return ['status' => $failed ? 'fail' : 'ok', 'checks' => $checks];
    }
}
