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
 * What the environment says about this site.
 *
 * @copyright  2026 The Moodle Platform contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace moodle_image;

/**
 * The settings of a container: each comes from the variable of its name or from the file that NAME_FILE points to.
 */
final readonly class settings {
    /** Where everything lies that was found out about this code when the image was built. */
    public const BAKED = '/usr/local/share/moodle';

    /** What a container writes for itself: a tmpfs, gone with the container. */
    public const RUN = '/tmp/moodle';

    /** Moodle's files, shared by all containers of a site. */
    public const DATAROOT = '/var/moodledata';

    /** Variables whose value decides, and their defaults. */
    private const DEFAULTS = [
        'MOODLE_WWWROOT' => '',
        'MOODLE_DB_TYPE' => 'pgsql',
        'MOODLE_DB_HOST' => '',
        'MOODLE_DB_PORT' => '',
        'MOODLE_DB_NAME' => 'moodle',
        'MOODLE_DB_USER' => 'moodle',
        'MOODLE_DB_PASSWORD' => '',
        'MOODLE_DB_PREFIX' => 'mdl_',
        'MOODLE_DB_PGBOUNCER' => '',
        'MOODLE_REDIS_HOST' => '',
        'MOODLE_REDIS_PORT' => '6379',
        'MOODLE_REDIS_PASSWORD' => '',
        'MOODLE_REDIS_PREFIX' => '',
        'MOODLE_SSLPROXY' => '',
        'MOODLE_REVERSEPROXY' => '',
        'MOODLE_SMTP_HOSTS' => '',
        'MOODLE_SMTP_USER' => '',
        'MOODLE_SMTP_PASSWORD' => '',
        'MOODLE_NOREPLY' => '',
        'MOODLE_ADMIN_USER' => 'admin',
        'MOODLE_ADMIN_PASSWORD' => '',
        'MOODLE_ADMIN_EMAIL' => '',
        'MOODLE_SITE_NAME' => 'Moodle',
        'MOODLE_SITE_SHORTNAME' => 'moodle',
        'MOODLE_LANG' => 'en',
        'MOODLE_DEV' => '',
        'MOODLE_STOP_TIMEOUT' => '30',
        'MOODLE_STOP_DELAY' => '0',
        'MOODLE_CRON_KEEP_ALIVE' => '180',
        'MOODLE_FPM_WORKERS' => '',
        'MOODLE_PHP_MEMORY_LIMIT' => '256M',
        'MOODLE_UPLOAD_MAX' => '256M',
        'MOODLE_TLS_CERT' => '',
        'MOODLE_TLS_KEY' => '',
        'MOODLE_CONFIG_EXTRA' => '',
    ];

    /** Variables that a site can't do without. */
    private const REQUIRED = ['MOODLE_WWWROOT', 'MOODLE_DB_HOST'];

    /** Variables that say yes or no. */
    private const SWITCHES = [
        'MOODLE_DB_PGBOUNCER', 'MOODLE_SSLPROXY', 'MOODLE_REVERSEPROXY', 'MOODLE_DEV',
    ];

    /** Variables that hold a whole number, and its least and greatest value. */
    private const NUMBERS = [
        'MOODLE_DB_PORT' => [1, 65535],
        'MOODLE_REDIS_PORT' => [1, 65535],
        'MOODLE_STOP_TIMEOUT' => [5, 3600],
        'MOODLE_STOP_DELAY' => [0, 600],
        'MOODLE_CRON_KEEP_ALIVE' => [0, 86400],
        'MOODLE_FPM_WORKERS' => [1, 10000],
    ];

    /** Variables that hold a size. */
    private const SIZES = ['MOODLE_PHP_MEMORY_LIMIT', 'MOODLE_UPLOAD_MAX'];

    /** Variables that hold the path of a file. */
    private const FILES = ['MOODLE_CONFIG_EXTRA', 'MOODLE_TLS_CERT', 'MOODLE_TLS_KEY'];

    /** The kinds of database that this image has a driver and a probe for. */
    private const DATABASES = ['pgsql', 'mariadb', 'mysqli'];

    /**
     * Hold what was read.
     *
     * @param array<string, string> $values each variable of DEFAULTS
     * @param string[] $problems what is wrong with them, one sentence each
     */
    private function __construct(
        /** @var array<string, string> The variables and their values. */
        private array $values,
        /** @var string[] What is wrong with them, one sentence each. */
        public array $problems,
    ) {
    }

    /**
     * Read the environment of this process.
     *
     * @return self
     */
    public static function read(): self {
        $values = [];
        $problems = [];
        foreach (self::DEFAULTS as $name => $default) {
            $value = getenv($name);
            $file = getenv("{$name}_FILE");
            if ($value !== false && $value !== '' && $file !== false && $file !== '') {
                $problems[] = "{$name} and {$name}_FILE are both set: keep one of them";
            } else if ($file !== false && $file !== '') {
                $content = is_file($file) ? @file_get_contents($file) : false;
                if ($content === false) {
                    $problems[] = "{$name}_FILE is {$file}, which user " . posix_geteuid() . " can't read: mount it, readable for that user";
                }
                $value = rtrim((string) $content, "\r\n");
            }
            $values[$name] = $value === false || $value === '' ? $default : $value;
        }
        return new self($values, [...$problems, ...self::wrong($values)]);
    }

    /**
     * Say what is wrong with values.
     *
     * @param array<string, string> $values
     * @return string[] one sentence each
     */
    private static function wrong(array $values): array {
        $problems = [];
        foreach (self::REQUIRED as $name) {
            if ($values[$name] === '') {
                $problems[] = "{$name} is not set: a site needs it";
            }
        }
        if ($values['MOODLE_WWWROOT'] !== '' && preg_match('~^https?://[^/\s?#]+$~', $values['MOODLE_WWWROOT']) !== 1) {
            $problems[] = "MOODLE_WWWROOT is '{$values['MOODLE_WWWROOT']}': write the site's address like https://moodle.example.org, "
                . "without a path or a slash at its end";
        }
        if (!in_array($values['MOODLE_DB_TYPE'], self::DATABASES, true)) {
            $problems[] = "MOODLE_DB_TYPE is '{$values['MOODLE_DB_TYPE']}': write one of " . implode(', ', self::DATABASES);
        }
        foreach (self::SWITCHES as $name) {
            if (!in_array($values[$name], ['', '0', '1', 'true', 'false'], true)) {
                $problems[] = "{$name} is '{$values[$name]}': write 1 or 0";
            }
        }
        foreach (self::NUMBERS as $name => [$least, $most]) {
            $value = $values[$name];
            if ($value !== '' && (preg_match('~^\d{1,9}$~', $value) !== 1 || (int) $value < $least || (int) $value > $most)) {
                $problems[] = "{$name} is '{$value}': write a number from {$least} to {$most}";
            }
        }
        foreach (self::SIZES as $name) {
            if (preg_match('~^[1-9]\d{0,8}[KMG]?$~', $values[$name]) !== 1) {
                $problems[] = "{$name} is '{$values[$name]}': write a size like 256M or 2G";
            }
        }
        foreach (self::FILES as $name) {
            if ($values[$name] !== '' && !is_readable($values[$name])) {
                $problems[] = "{$name} is {$values[$name]}, which user " . posix_geteuid() . " can't read: mount it, readable for that user";
            }
        }
        if (($values['MOODLE_TLS_CERT'] === '') !== ($values['MOODLE_TLS_KEY'] === '')) {
            $problems[] = 'only one of MOODLE_TLS_CERT and MOODLE_TLS_KEY is set: TLS needs both';
        }
        if (preg_match('~^[a-z][a-z0-9_]{0,9}$|^$~', $values['MOODLE_DB_PREFIX']) !== 1) {
            $problems[] = "MOODLE_DB_PREFIX is '{$values['MOODLE_DB_PREFIX']}': write up to 10 lower case letters, digits and underscores";
        }
        return $problems;
    }

    /**
     * Return a value, '' where it has none.
     *
     * @param string $name the variable's name without MOODLE_
     * @return string
     */
    public function text(string $name): string {
        return $this->values["MOODLE_{$name}"];
    }

    /**
     * Is a switch on?
     *
     * @param string $name the variable's name without MOODLE_
     * @return bool
     */
    public function on(string $name): bool {
        return in_array($this->text($name), ['1', 'true'], true);
    }

    /**
     * Return what tells this site from others that share a Redis: the same for all its containers.
     *
     * @return string
     */
    public function site(): string {
        $names = ['DB_TYPE', 'DB_HOST', 'DB_PORT', 'DB_NAME', 'DB_PREFIX'];
        $database = implode("\0", array_map($this->text(...), $names));
        return $this->text('REDIS_PREFIX') ?: $this->text('DB_NAME') . '_' . substr(hash('sha256', $database), 0, 12) . '_';
    }

    /**
     * Return what was found out about the code when the image was built.
     *
     * @return array{release: string, branch: string, versionshash: string, versions: array<string, string>} versions of core and plugins
     */
    public static function code(): array {
        return require(self::BAKED . '/code.php');
    }
}
