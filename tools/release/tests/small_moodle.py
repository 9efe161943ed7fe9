"""The least that is a Moodle of some version to what builds images, and monorepos with images that contain it."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from scratch import Scratch, image, plugin

__all__ = ["DOCKERFILE", "FILES", "image_repository", "moodle_folder", "plugin_zip", "served", "zip_lock"]

DOCKERFILE = """\
ARG BASE=debian:trixie-slim
FROM ${BASE}
ARG SOURCE_DATE_EPOCH
COPY rootfs/ /
RUN find / -xdev -perm /6000 -type f -exec chmod a-s {} + \\
    && rm -rf /var/log/* /var/cache/apt/* /var/lib/apt/lists/*
USER 10001:10001
CMD ["sleep", "600"]
"""
FILES: Mapping[str, str] = {
    "public/version.php": "<?php\n$version = 2025100600.02;\n$release = '5.1+ (Build: 20251017)';\n$branch = '501';\n",
    "public/index.php": "<?php\n",
    "public/mod/quiz/version.php": plugin("mod_quiz", 2025100600),
    "public/mod/quiz/db/subplugins.json": json.dumps(
        {"subplugintypes": {"quizaccess": "accessrule"}, "plugintypes": {"quizaccess": "mod/quiz/accessrule"}}
    ),
    "admin/cli/install.php": "<?php\n",
    "lib/components.json": json.dumps({"plugintypes": {"mod": "public/mod", "local": "public/local"}}),
    "config.php": "<?php // $CFG->dbpass = 'of the developer';\n",
    ".git/config": "",
}


def moodle_folder(path: Path, changes: Mapping[str, str | None] | None = None) -> Path:
    """Write a Moodle into ``path``, with ``changes`` (``None`` leaves a file out), and return it."""
    for name, text in {**FILES, **(changes or {})}.items():
        if text is not None:
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return path


def image_repository(path: Path, files: Mapping[str, str] | None = None) -> Scratch:
    """Return a monorepo with the image ``site`` (Moodle and ``local_hello``) and the image ``over`` on ``tiny``."""
    scratch = Scratch(path)
    scratch.commit(
        "feat: begin",
        {
            "plugins/local_hello/version.php": plugin("local_hello"),
            "plugins/local_hello/lang/en/local_hello.php": "<?php\n$string['pluginname'] = 'Hello';\n",
            "plugins/local_hello/cli/hello.php": "<?php\n",
            "plugins/local_hello/.gitignore": "/build\n",
            ".gitignore": "/dist/\n",
            "images/site/image.yaml": image("site", further="contains: {plugins: [local_hello], moodle: true}\n"),
            "images/site/Dockerfile": "FROM scratch\nCOPY rootfs/ /\nCOPY moodle/ /var/www/moodle/\n",
            "images/site/rootfs/etc/site": "site\n",
            "images/tiny/image.yaml": "name: tiny\nversion: 0.1.0\n",
            "images/tiny/Dockerfile": DOCKERFILE,
            "images/tiny/rootfs/etc/tiny": "tiny\n",
            "images/over/image.yaml": "name: over\nversion: 0.2.0\nbase: tiny\n",
            "images/over/Dockerfile": DOCKERFILE.replace("COPY", "USER root\nCOPY"),
            "images/over/rootfs/etc/over": "over\n",
            **(files or {}),
        },
    )
    return scratch


def plugin_zip(name: str, version: int, extra: str = "", files: Mapping[str, str] | None = None) -> bytes:
    """Return the zip of a plugin whose ``version.php`` ends with ``extra``."""
    own = name.partition("_")[2]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{own}-main/version.php", plugin(name, version) + extra)
        for path, text in (files or {}).items():
            archive.writestr(f"{own}-main/{path}", text)
    return content.getvalue()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve ``folder`` by HTTP and yield its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def zip_lock(*plugins: tuple[str, int, str, bytes]) -> str:
    """Return the ``plugins.lock`` of ``plugins``: name, version, address and zip."""
    lines = ["version: 1", "plugins:"]
    for name, version, url, content in plugins:
        lines += [f"  - name: {name}", f"    version: {version}", f"    url: {url}"]
        lines += [f"    sha256: {hashlib.sha256(content).hexdigest()}"]
    return "\n".join(lines) + "\n"
