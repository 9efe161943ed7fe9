"""Database servers on this machine, for as long as a block lasts: MariaDB and PostgreSQL from their packages."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["ServerError", "authority", "free_port", "mariadb", "pgsql", "program", "running"]

PATIENCE_SECONDS = 60


class ServerError(Exception):
    """A server can't run; the text says why and what to do."""


def authority(folder: Path) -> Path:
    """Make an authority that vouches for servers, in `folder`; return its certificate."""
    certified(folder / "authority", "authority", ["basicConstraints=critical,CA:TRUE"])
    return folder / "authority.pem"


def certified(stem: Path, name: str, extensions: Sequence[str], by: Path | None = None) -> None:
    """Make a key and a certificate for a name: stem.key and stem.pem; the latter by an authority's, or by itself."""
    settings = stem.with_suffix(".cnf")
    settings.write_text("[req]\ndistinguished_name = name\n[name]\n", encoding="utf-8")
    signer = [] if by is None else ["-CA", str(by), "-CAkey", str(by.with_suffix(".key"))]
    added = [argument for extension in extensions for argument in ("-addext", extension)]
    openssl = program("openssl", "/usr/bin", "openssl")
    quietly([openssl, "req", "-x509", "-config", str(settings), "-subj", f"/CN={name}", "-days", "30", *signer, *added,
             "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", str(stem.with_suffix(".key")),
             "-out", str(stem.with_suffix(".pem"))])  # fmt: skip


def encryption(folder: Path, user: str, by: Path | None) -> tuple[Path, Path] | None:
    """Return certificate and key for 127.0.0.1 that the server's user reads, or nothing without an authority."""
    if by is None:
        return None
    stem = folder / "server"
    certified(stem, "server", ["subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"], by)
    if os.getuid() == 0:
        shutil.chown(stem.with_suffix(".key"), user)
    return stem.with_suffix(".pem"), stem.with_suffix(".key")


@contextlib.contextmanager
def mariadb(folder: Path, name: str, by: Path | None = None) -> Iterator[int]:
    """Run MariaDB in `folder` with a database, an administrator and a password of that name; yield its port.

    With the certificate of an authority it offers encryption.
    """
    mariadbd = program("mariadbd", "/usr/sbin", "mariadb-server")
    data, sock = folder / "data", folder / "socket"
    user = server_user("mysql", folder)
    if not (data / "mysql").is_dir():
        shutil.rmtree(data, ignore_errors=True)
        install = program("mariadb-install-db", "/usr/bin", "mariadb-server")
        quietly([install, "--no-defaults", f"--datadir={data}", f"--user={user}",
                 "--auth-root-authentication-method=normal", "--skip-test-db"])  # fmt: skip
    port = free_port()
    server = [
        mariadbd, "--no-defaults", f"--datadir={data}", f"--socket={sock}", f"--port={port}", f"--user={user}",
        "--bind-address=127.0.0.1", "--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci",
        "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=1G", f"--log-error={folder / 'log'}",
    ]  # fmt: skip
    if files := encryption(folder, user, by):
        server += [f"--ssl-cert={files[0]}", f"--ssl-key={files[1]}"]
    client = [program("mariadb", "/usr/bin", "mariadb-client"), "--no-defaults", f"--socket={sock}", "--user=root"]
    with running(server, [*client, "--execute=SELECT 1"], folder / "log"):
        rights = f"GRANT ALL ON *.* TO '{name}'@'127.0.0.1' IDENTIFIED BY '{name}' WITH GRANT OPTION"
        quietly([*client, f"--execute=CREATE DATABASE IF NOT EXISTS {name}; {rights};"])
        yield port


@contextlib.contextmanager
def pgsql(folder: Path, name: str, by: Path | None = None) -> Iterator[int]:
    """Run PostgreSQL in `folder` with a database and a superuser of that name; yield its port.

    With the certificate of an authority it offers encryption.
    """
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    newest = str(versions[-1] if versions else Path("/usr/lib/postgresql"))
    user = server_user("postgres", folder)
    as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if os.getuid() == 0 else []
    data = folder / "data"
    if not (data / "PG_VERSION").is_file():
        shutil.rmtree(data, ignore_errors=True)
        quietly([*as_user, program("initdb", newest, "postgresql"), f"--pgdata={data}", "--encoding=UTF8",
                 "--locale=C.UTF-8", f"--username={name}", "--auth=trust"])  # fmt: skip
    port = free_port()
    server = [
        *as_user, program("postgres", newest, "postgresql"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1",
        "-k", str(folder), "-c", "synchronous_commit=off", "-c", "shared_buffers=512MB",
    ]  # fmt: skip
    if files := encryption(folder, user, by):
        server += ["-c", "ssl=on", "-c", f"ssl_cert_file={files[0]}", "-c", f"ssl_key_file={files[1]}"]
    client = [program("psql", newest, "postgresql-client"), "-h", "127.0.0.1", "-p", str(port), "-U", name, "-d"]
    with running(server, [*client, "postgres", "-c", "SELECT 1"], folder / "log"):
        known = subprocess.run([*client, name, "-c", "SELECT 1"], check=False, capture_output=True).returncode == 0
        if not known:
            quietly([*client, "postgres", "-c", f"CREATE DATABASE {name}"])
        yield port


@contextlib.contextmanager
def running(server: Sequence[str], probe: Sequence[str], log: Path) -> Iterator[None]:
    """Run a server from when the probe succeeds until the block ends."""
    with log.open("ab") as output:
        process = subprocess.Popen(server, stdout=output, stderr=output, start_new_session=True)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while subprocess.run(probe, check=False, capture_output=True).returncode != 0:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerError(f"{server[0]} didn't start: see {log}")
            time.sleep(0.3)
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def server_user(name: str, folder: Path) -> str:
    """Return the user that the server runs as: root may not run one; give it the folder."""
    folder.mkdir(exist_ok=True)
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name
    try:
        shutil.chown(folder, name)
    except LookupError:
        raise ServerError(f"there is no user {name}: install the server's package, or don't run this as root") from None
    for parent in folder.parents:
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o001) if owned(parent) else grant(parent, name)
    return name


def owned(folder: Path) -> bool:
    """Tell whether the folder is below the cache, which is this user's to open."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moodle-platform"
    return folder.is_relative_to(cache)


def grant(folder: Path, user: str) -> None:
    """Let the user pass through a folder of root's home."""
    if shutil.which("setfacl"):
        print(f"servers: letting {user} pass through {folder} (setfacl)", file=sys.stderr, flush=True)
        quietly(["setfacl", "-m", f"u:{user}:x", str(folder)])
        return
    raise ServerError(f"{user} can't pass {folder}: set XDG_CACHE_HOME to a folder that every user may enter")


def program(name: str, folder: str, package: str) -> str:
    """Return the path of a program on PATH or in the folder."""
    found = shutil.which(name) or shutil.which(name, path=folder)
    if found is None:
        raise ServerError(f"`{name}` isn't here: install it (Debian: {package})")
    return found


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def quietly(command: Sequence[str]) -> None:
    """Run a command; its output is shown when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise ServerError(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")
