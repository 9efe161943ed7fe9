#!/usr/bin/env python3
"""A throwaway Moodle site with this repository's plugins, for tests that need one: installed once, then reused.

    MOODLE_DIR=/path/to/moodle build-support/moodle_site.py run --database mariadb -- php admin/cli/cfg.php

MOODLE_DIR is a Moodle tree with ``public/`` (5.1 or later); it is only read. The site has a tree of hard links to it, a
configuration, a data folder and a database server of its own on a free port of the loopback interface, all in
``~/.cache/moodle-platform/moodle/<version>-<database>/``. ``run`` starts the server, installs or upgrades, runs the
command in the tree and stops the server. The command sees MOODLE_SITE, the tree. The exit code is the command's; 2 when
there is no site to run it in.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import servers

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moodle-platform" / "moodle"
NAME = "moodle"
INI = "max_input_vars = 5000\nmemory_limit = 1G\n"


class SiteError(Exception):
    """There can be no site; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Site:
    """The folders of a site."""

    root: Path
    database: str

    @property
    def tree(self) -> Path:
        """Moodle's folder, in which commands run."""
        return self.root / "tree"

    @property
    def data(self) -> Path:
        """Moodle's ``dataroot``."""
        return self.root / "moodledata"

    @property
    def server(self) -> Path:
        """The database server's folder."""
        return self.root / "server"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run", help="run a command in the site's tree")
    run.add_argument("--database", choices=sorted(SERVERS), default="mariadb")
    run.add_argument("--name", default="", help="a site of its own for this name")
    run.add_argument("--fresh", action="store_true", help="remove the site first")
    run.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        moodle = moodle_folder()
        label = "-".join(filter(None, [moodle_version(moodle), options.database, options.name]))
        site = Site(CACHE / label, options.database)
        CACHE.mkdir(parents=True, exist_ok=True)
        with locked(site):
            if options.fresh:
                shutil.rmtree(site.root, ignore_errors=True)
            site.root.mkdir(exist_ok=True)
            with SERVERS[options.database](site.server, NAME) as port:
                prepare(site, moodle, port)
                return subprocess.run(options.command, cwd=site.tree, env=environment(site), check=False).returncode
    except (SiteError, servers.ServerError) as error:
        print(f"moodle_site: {error}", file=sys.stderr)
        return 2


def moodle_folder() -> Path:
    """Return the tree that MOODLE_DIR names."""
    named = os.environ.get("MOODLE_DIR")
    if not named:
        raise SiteError("MOODLE_DIR isn't set: name the folder of a Moodle 5.1 or later in it")
    if not (Path(named) / "public" / "version.php").is_file():
        raise SiteError(f"MOODLE_DIR: {named} has no public/version.php: name the folder of a Moodle 5.1 or later")
    return Path(named).resolve()


def moodle_version(moodle: Path) -> str:
    """Return the number that Moodle's version.php gives, as 2025100600.02."""
    found = re.search(r"\$version\s*=\s*([0-9.]+)", (moodle / "public" / "version.php").read_text(encoding="utf-8"))
    if found is None:
        raise SiteError(f"{moodle}/public/version.php sets no $version")
    return found[1]


@contextlib.contextmanager
def locked(site: Site) -> Iterator[None]:
    """Hold the site for this process; wait for another that has it."""
    with (site.root.parent / f"{site.root.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"moodle_site: waiting for the process that uses {site.root}", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def environment(site: Site) -> dict[str, str]:
    """Return the environment of the site's commands."""
    return {**os.environ, "MOODLE_SITE": str(site.tree), "PHP_INI_SCAN_DIR": f":{site.root / 'php'}"}


def prepare(site: Site, moodle: Path, port: int) -> None:
    """Make the tree, with the plugins as they are now, and install or upgrade the site."""
    (site.root / "php").mkdir(exist_ok=True)
    (site.root / "php" / "moodle.ini").write_text(INI, encoding="utf-8")
    if not site.tree.exists():
        copying = site.root / "tree.copying"
        shutil.rmtree(copying, ignore_errors=True)
        shutil.copytree(moodle, copying, copy_function=link, ignore=shutil.ignore_patterns(".git", "config.php.bak"))
        (copying / "config.php").unlink(missing_ok=True)
        copying.rename(site.tree)
    installed = site.root / "installed"
    write_configuration(site, port)
    for plugin in sorted(ROOT.glob("plugins/*/version.php")):
        put_plugin(site, plugin.parent, installed.exists())
    if not installed.exists():
        say(f"installing Moodle on {site.database}, which takes some minutes")
        configuration = site.tree / "config.php"
        configuration.rename(site.root / "config.php")
        shutil.rmtree(site.data, ignore_errors=True)
        site.data.mkdir()
        password = "Throwaway-1"
        php(
            site, "admin/cli/install.php", "--non-interactive", "--agree-license", "--wwwroot=http://127.0.0.1:8000",
            f"--dataroot={site.data}", f"--dbtype={DRIVERS[site.database]}", "--dbhost=127.0.0.1", f"--dbport={port}",
            f"--dbname={NAME}", f"--dbuser={NAME}", f"--dbpass={NAME}", "--fullname=Throwaway", "--shortname=t",
            f"--adminpass={password}", "--adminemail=admin@example.com",
        )  # fmt: skip
        write_configuration(site, port)
        installed.touch()
    php(site, "admin/cli/upgrade.php", "--non-interactive", "--allow-unstable")
    php(site, "admin/cli/purge_caches.php")


def put_plugin(site: Site, plugin: Path, installed: bool) -> None:
    """Copy a plugin into the tree; one whose tables may have changed under the same version is uninstalled first."""
    kind, _, name = plugin.name.partition("_")
    if kind != "local":
        raise SiteError(f"{plugin} is no local plugin: where it belongs in the tree isn't known here")
    schema = hashlib.sha256()
    for file in sorted([plugin / "version.php", *plugin.glob("db/*")]):
        schema.update(file.read_bytes())
    known = site.root / f"{plugin.name}.sha256"
    target = site.tree / "public" / kind / name
    if installed and target.exists() and (not known.exists() or known.read_text("utf-8") != schema.hexdigest()):
        php(site, "admin/cli/uninstall_plugins.php", f"--plugins={plugin.name}", "--run")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(plugin, target)
    known.write_text(schema.hexdigest(), encoding="utf-8")


def link(source: str, target: str) -> str:
    """Link a file to where it is copied, or copy it where that can't be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def write_configuration(site: Site, port: int) -> None:
    """Write config.php for the port that the server has this time."""
    driver = DRIVERS[site.database]
    collation = "'dbcollation' => 'utf8mb4_unicode_ci'" if site.database == "mariadb" else ""
    (site.tree / "config.php").write_text(
        f"""<?php
unset($CFG);
global $CFG;
$CFG = new stdClass();
$CFG->dbtype = '{driver}';
$CFG->dblibrary = 'native';
$CFG->dbhost = '127.0.0.1';
$CFG->dbname = '{NAME}';
$CFG->dbuser = '{NAME}';
$CFG->dbpass = '{NAME}';
$CFG->prefix = 'mdl_';
$CFG->dboptions = ['dbport' => {port}, {collation}];
$CFG->wwwroot = 'http://127.0.0.1:8000';
$CFG->dataroot = '{site.data}';
$CFG->admin = 'admin';
$CFG->directorypermissions = 02777;
$CFG->noemailever = true;
$CFG->debug = 32767;
$CFG->debugdisplay = 1;
$CFG->disableupdatenotifications = true;
$CFG->phpunit_prefix = 'phpu_';
$CFG->phpunit_dataroot = '{site.root}/phpunitdata';
require_once(__DIR__ . '/public/lib/setup.php');
""",
        encoding="utf-8",
    )


def php(site: Site, script: str, *arguments: str) -> None:
    """Run one of Moodle's own scripts quietly."""
    done = subprocess.run(
        ["php", script, *arguments], cwd=site.tree, env=environment(site), check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SiteError(f"php {script} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def say(message: str) -> None:
    """Tell what takes long."""
    print(f"moodle_site: {message}", file=sys.stderr, flush=True)


SERVERS = {"mariadb": servers.mariadb, "pgsql": servers.pgsql}
DRIVERS = {"mariadb": "mariadb", "pgsql": "pgsql"}


if __name__ == "__main__":
    sys.exit(main())
