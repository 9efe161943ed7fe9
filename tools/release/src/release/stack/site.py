"""What the stack consists of: Moodle, its database and what it talks to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from release.stack.model import Condition, Mount, Port, Probe, Service, Stack
from release.workspace.config import Config
from release.workspace.delivery import Database
from release.workspace.stack import Ports, StackDatabase, StackImage

__all__ = ["FOLDER", "PASSWORDS", "SEED", "Choices", "Parts", "images", "own_image", "site", "web_address"]

FOLDER = ".stack"
"""Where the secrets, the seed and the file of the running stack lie in the repository; git doesn't see it."""
PASSWORDS = ("admin-password", "database-password", "s3-secret-key", "user-password")
SEED = "seed.php"
_S3 = "s3.json"
_CODE = "/var/www/moodle"
_DATA = "/var/moodledata"
_IMAGES = {
    StackImage.PGSQL: "docker.io/library/postgres:17"
    "@sha256:c6222b54873a2fb19591cb06b93ef2825c03cdb680396e3600f24921f340f630",
    StackImage.MARIADB: "docker.io/library/mariadb:11.4"
    "@sha256:70cc072b29b4a89ae07abb2d4da2c64678a7f2dfe092751bb51c87d67dc1338b",
    StackImage.CACHE: "docker.io/valkey/valkey:8.1-alpine"
    "@sha256:77643d152547b446fc15cbafaff22004545663fcd40c6b28038ad283837baa75",
    StackImage.S3: "docker.io/chrislusf/seaweedfs:4.47"
    "@sha256:ce9e796f1fe6f06968f4c04bdaf8f678dad9c8acdfef3d244133d71bfa6bf882",
    StackImage.MAIL: "docker.io/axllent/mailpit:v1.31.2"
    "@sha256:74d609a42ec279aa63c6b4622a6fa9b5408d1ad5b1d76a1c4be40a265ce0863d",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What of the repository is in the stack: its image components, and where Moodle wants its plugins.

    ``plugins`` has the folder below Moodle's root for the path of each plugin.
    """

    images: frozenset[str] = frozenset()
    plugins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choices:
    """What one run wants otherwise than ``release.yaml`` has it; ``None`` and what is left out: as it has it."""

    name: str | None = None
    database: StackDatabase | None = None
    ports: Ports | None = None
    images: Mapping[StackImage, str] = field(default_factory=dict)
    xdebug: bool = False
    seed: bool | None = None


def own_image(config: Config) -> str:
    """Return the name by which the stack knows its own build of Moodle's image, whatever its version is.

    So the Compose file stays the same when the image gets a new version; no registry can have the name.
    """
    return f"localhost/{config.stack.name or 'stack'}/{config.stack.moodle}:stack"


def web_address(ports: Ports) -> str:
    """Return the address of the site."""
    return f"http://localhost:{ports.web}"


def images(config: Config, parts: Parts, choices: Choices) -> dict[StackImage, str]:
    """Return the image for each purpose: what this run chooses, else ``release.yaml``, else the usual one."""
    own = config.stack.moodle
    tested = config.ci.moodle.databases if config.ci.moodle else {}
    databases = {StackImage(kind.value): image for kind, image in tested.items() if kind is not Database.MYSQLI}
    return {
        StackImage.MOODLE: own_image(config) if own in parts.images else own,
        **_IMAGES,
        **databases,
        **config.stack.images,
        **choices.images,
    }


def site(config: Config, parts: Parts, choices: Choices) -> Stack:
    """Return the stack that ``config`` and ``parts`` give with the ``choices`` of one run.

    Its name is empty where neither says one.
    """
    settings = config.stack
    database = choices.database or settings.database
    ports = choices.ports or settings.ports
    seed = settings.seed if choices.seed is None else choices.seed
    found = images(config, parts, choices)
    moodle = _moodle(config, found[StackImage.MOODLE], parts, database, ports, xdebug=choices.xdebug)
    services = [
        _database(database, found[StackImage(database.value)]),
        _cache(found[StackImage.CACHE]),
        _mail(found[StackImage.MAIL], ports.mail),
        _s3(found[StackImage.S3], ports.s3),
        *_roles(moodle, ports, seed=seed),
    ]
    return Stack(choices.name or settings.name or "", {service.name: service for service in services})


def _database(kind: StackDatabase, image: str) -> Service:
    secret = _secret("database-password")
    match kind:
        case StackDatabase.PGSQL:
            return Service(
                "database",
                image,
                command=("postgres", "-c", "synchronous_commit=off"),
                environment={
                    "POSTGRES_DB": "moodle",
                    "POSTGRES_USER": "moodle",
                    "POSTGRES_PASSWORD_FILE": secret.target,
                },
                mounts=(Mount("database-pgsql", "/var/lib/postgresql/data"), secret),
                probe=Probe(("pg_isready", "--host=127.0.0.1", "--username=moodle", "--dbname=moodle")),
                grace=30,
            )
        case StackDatabase.MARIADB:
            return Service(
                "database",
                image,
                command=(
                    "mariadbd",
                    "--character-set-server=utf8mb4",
                    "--collation-server=utf8mb4_unicode_ci",
                    "--innodb-flush-log-at-trx-commit=2",
                ),
                environment={
                    "MARIADB_DATABASE": "moodle",
                    "MARIADB_USER": "moodle",
                    "MARIADB_PASSWORD_FILE": secret.target,
                    "MARIADB_RANDOM_ROOT_PASSWORD": "1",
                },
                mounts=(Mount("database-mariadb", "/var/lib/mysql"), secret),
                probe=Probe(("healthcheck.sh", "--connect", "--innodb_initialized")),
                grace=30,
            )


def _cache(image: str) -> Service:
    options = ("--save", "", "--appendonly", "no", "--bind", "0.0.0.0", "--protected-mode", "no")
    return Service("cache", image, command=("valkey-server", *options), probe=Probe(("valkey-cli", "ping")))


def _mail(image: str, port: int) -> Service:
    return Service(
        "mail",
        image,
        environment={"MP_DATABASE": "/data/mailpit.db"},
        mounts=(Mount("mail", "/data"),),
        ports=(Port(port, 8025),),
        probe=Probe(("/mailpit", "readyz")),
    )


def _s3(image: str, port: int) -> Service:
    secret = _secret(_S3)
    return Service(
        "s3",
        image,
        entrypoint=("weed",),
        command=(
            "server",
            "-dir=/data",
            "-ip.bind=0.0.0.0",
            "-master.volumeSizeLimitMB=64",
            "-s3",
            "-s3.port=8333",
            f"-s3.config={secret.target}",
        ),
        mounts=(Mount("s3", "/data"), secret),
        ports=(Port(port, 8333),),
        probe=Probe(("wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8333/healthz")),
    )


def _moodle(
    config: Config, image: str, parts: Parts, database: StackDatabase, ports: Ports, *, xdebug: bool
) -> Service:
    """Return what all of Moodle's containers have in common."""
    environment = {
        "MOODLE_WWWROOT": web_address(ports),
        "MOODLE_DB_TYPE": database.value,
        "MOODLE_DB_HOST": "database",
        "MOODLE_DB_PASSWORD_FILE": _secret("database-password").target,
        "MOODLE_REDIS_HOST": "cache",
        "MOODLE_SMTP_HOSTS": "mail:1025",
        "MOODLE_NOREPLY": "noreply@example.com",
        "MOODLE_DEV": "1",
    }
    if xdebug:
        environment |= {"XDEBUG_MODE": "develop,debug", "XDEBUG_CONFIG": "client_host=host.docker.internal"}
    return Service(
        "moodle",
        image,
        environment={**environment, **config.stack.environment},
        mounts=(
            Mount(f"moodledata-{database.value}", _DATA),
            _secret("database-password"),
            *(Mount(f"./{path}", f"{_CODE}/{folder}") for path, folder in sorted(parts.plugins.items())),
        ),
        needs={"database": Condition.HEALTHY, "cache": Condition.HEALTHY},
        hosts={"host.docker.internal": "host-gateway"} if xdebug else {},
        sealed=True,
    )


def _roles(moodle: Service, ports: Ports, *, seed: bool) -> Iterator[Service]:
    """Yield one service for each role of Moodle's image, in the order of their start."""
    admin = _secret("admin-password")
    new = {
        "MOODLE_ADMIN_PASSWORD_FILE": admin.target,
        "MOODLE_ADMIN_EMAIL": "admin@example.com",
        "MOODLE_SITE_NAME": "Local stack",
        "MOODLE_SITE_SHORTNAME": "stack",
    }
    yield replace(
        moodle,
        name="install",
        command=("install",),
        environment={**moodle.environment, **new},
        mounts=(*moodle.mounts, admin),
        once=True,
    )
    yield replace(moodle, name="upgrade", command=("upgrade",), needs={"install": Condition.COMPLETED}, once=True)
    after = replace(moodle, needs={"upgrade": Condition.COMPLETED}, grace=40)
    if seed:
        users = _secret("user-password")
        script = Mount(f"./{FOLDER}/{SEED}", f"/opt/stack/{SEED}")
        yield replace(
            after,
            name="seed",
            command=("cli", "php", script.target, _CODE),
            environment={**moodle.environment, "USER_PASSWORD_FILE": users.target},
            mounts=(*moodle.mounts, users, script),
            once=True,
        )
    yield replace(
        after,
        name="web",
        command=("web",),
        ports=(Port(ports.web, 8080),),
        probe=Probe(("moodle-probe", "readyz")),
    )
    alive = Probe(("moodle-probe", "livez"), interval=10)
    yield replace(after, name="cron", command=("cron",), probe=alive)
    yield replace(after, name="adhoc", command=("adhoc",), probe=alive)


def _secret(name: str) -> Mount:
    return Mount(f"./{FOLDER}/secrets/{name}", f"/run/secrets/{name}")
