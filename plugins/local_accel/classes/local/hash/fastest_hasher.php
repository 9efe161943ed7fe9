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

namespace local_accel\local\hash;

use local_accel\hasher;
use local_accel\local\native\hash;
use local_accel\local\native\loader;
use local_accel\local\native\native_error;

/**
 * Gives each content to the fastest engine for its size, and to the next one should the native library fail.
 *
 * @package    local_accel
 * @copyright  2026 The local_accel contributors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */
final class fastest_hasher implements hasher {
    /**
     * Use engines.
     *
     * @param ranking $ranking
     * @param php_engine $php
     * @param openssl_engine|null $openssl
     * @param native_engine|null $native
     */
    public function __construct(
        /** @var ranking Which engine is the fastest. */
        private readonly ranking $ranking,
        /** @var php_engine PHP's hash extension. */
        private readonly php_engine $php,
        /** @var openssl_engine|null PHP's openssl extension. */
        private readonly ?openssl_engine $openssl,
        /** @var native_engine|null The native library, until it fails. */
        private ?native_engine $native,
    ) {
    }

    /**
     * Use the engines that this process has.
     *
     * @param loader $loader
     * @return self
     */
    public static function from(loader $loader): self {
        $handle = $loader->handle();
        $hash = $handle === null ? null : new hash($handle);
        return new self(
            new ranking($hash?->has_instructions() ?? false),
            new php_engine(),
            extension_loaded('openssl') ? new openssl_engine() : null,
            $hash === null ? null : new native_engine($hash),
        );
    }

    /**
     * Return the engine that content of a size is given to.
     *
     * @param operation $operation
     * @param algorithm $algorithm
     * @param int $bytes
     * @return engine_name
     */
    public function choose(operation $operation, algorithm $algorithm, int $bytes): engine_name {
        foreach ($this->ranking->order($operation, $algorithm, $bytes) as $name) {
            if ($this->engine($name) !== null) {
                return $name;
            }
        }
        return engine_name::PHP;
    }

    #[\Override]
    public function string(algorithm $algorithm, string $content): string {
        $name = $this->choose(operation::STRING, $algorithm, strlen($content));
        return $this->attempt($name, static fn(engine $engine): string => $engine->string($algorithm, $content));
    }

    #[\Override]
    public function file(algorithm $algorithm, string $path): string {
        // Names such as php://stdin mean something to PHP only.
        $name = str_contains($path, '://')
            ? engine_name::PHP
            : $this->choose(operation::FILE, $algorithm, (int) @filesize($path));
        return $this->attempt($name, static fn(engine $engine): string => $engine->file($algorithm, $path));
    }

    #[\Override]
    public function stream(algorithm $algorithm, $stream): string {
        $bytes = fstat($stream)['size'] ?? 0;
        $name = $this->choose(operation::STREAM, $algorithm, $bytes);
        return $this->attempt(
            $name,
            static fn(stream_engine $engine): string => $engine->stream($algorithm, $stream),
        );
    }

    /**
     * Have an engine do something, and PHP's should the native library fail. That one is then used no more.
     *
     * @param engine_name $name
     * @param callable $use what to do with the engine
     * @return string
     */
    private function attempt(engine_name $name, callable $use): string {
        try {
            return $use($this->engine($name));
        } catch (native_error) {
            $this->native = null;
            return $use($this->php);
        }
    }

    /**
     * Return an engine, or null if this process doesn't have it.
     *
     * @param engine_name $name
     * @return engine|null
     */
    private function engine(engine_name $name): ?engine {
        return match ($name) {
            engine_name::NATIVE => $this->native,
            engine_name::OPENSSL => $this->openssl,
            engine_name::PHP => $this->php,
        };
    }
}
