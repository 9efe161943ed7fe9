"""What nginx serves, refuses and passes on, and what PHP is told."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import socket
import struct

import pytest

from containers import Answer, Running, Site, eventually


def upload(running: Running, content: bytes) -> Answer:
    """Send a file in a form."""
    head = b'--limit\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: a/b\r\n\r\n'
    body = head + content + b"\r\n--limit--\r\n"
    return running.request("POST", "/upload.php", body, Content_Type="multipart/form-data; boundary=limit")


def test_static_files_are_sent_by_nginx_compressed_and_cacheable(standing: Running) -> None:
    plain = standing.get("/pix/icon.svg")
    packed = standing.get("/pix/icon.svg", Accept_Encoding="gzip")
    assert plain.headers["content-type"] == "image/svg+xml"
    assert "x-powered-by" not in plain.headers
    assert plain.headers["cache-control"] == "max-age=3600"
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_pages_are_compressed(standing: Running) -> None:
    packed = standing.get("/theme/styles.php/test/1/all", Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert len(gzip.decompress(packed.body)) > 10 * len(packed.body)


def test_http_2_is_spoken_without_tls(standing: Running) -> None:
    settings = struct.pack(">I", 0)[1:] + b"\x04\x00" + struct.pack(">I", 0)
    with socket.create_connection(standing.address(), timeout=15) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
        frame = connection.recv(9)
    assert frame[3] == 4, "the server's first frame is SETTINGS"


@pytest.mark.parametrize(
    "path",
    [
        "/config.php", "/install.php", "/version.php", "/.git/config", "/.env", "/composer.json", "/README.md",
        "/lib/tests/fixtures/secret.txt", "/mod/forum/version.php", "/lib/db/install.xml", "/admin/environment.xml",
        "/vendor/autoload.php", "/local/x/cli/tool.php", "/theme/x/scss/preset.scss", "/dataroot/x", "/localcachedir/x",
    ],
)  # fmt: skip
def test_moodles_own_business_is_not_there_for_visitors(path: str, standing: Running) -> None:
    answer = standing.get(path)
    assert answer.status == 404
    assert "router" not in answer.text


@pytest.mark.parametrize("name", ["tests/a.txt", "composer.json", ".htaccess", "vendor/a.php", "README.md", "x y.txt"])
def test_names_that_are_refused_as_files_are_allowed_as_arguments(name: str, standing: Running) -> None:
    content = f"content of {name}".encode()
    script = "[, $path, $text] = $argv; @mkdir(dirname($path), 0770, true); file_put_contents($path, $text);"
    assert standing.execute("php", "-r", script, f"/var/moodledata/{name}", content.decode())[0] == 0
    answer = standing.get("/pluginfile.php/" + name.replace(" ", "%20"))
    assert (answer.status, answer.body) == (200, content)


def test_files_of_the_dataroot_are_sent_by_nginx_in_parts(standing: Running) -> None:
    assert standing.execute("sh", "-c", "printf 0123456789 > /var/moodledata/digits")[0] == 0
    answer = standing.get("/pluginfile.php/digits", Range="bytes=2-4")
    assert (answer.status, answer.body) == (206, b"234")
    assert "x-accel-redirect" not in answer.headers


def test_the_router_gets_what_is_no_file(standing: Running) -> None:
    assert standing.get("/api/thing?x=1").text == "router: /api/thing?x=1\n"
    assert standing.get("/no/script.php/with/arguments").text == "router: /no/script.php/with/arguments\n"


def test_a_folder_without_its_slash_leads_to_the_folder_on_the_port_of_the_visitor(standing: Running) -> None:
    assert standing.get("/login").headers["location"] == "/login/"


def test_a_folder_without_an_index_is_not_there(standing: Running) -> None:
    assert standing.get("/lib/").status == 404


def test_scripts_get_arguments_and_the_port_that_the_visitor_sees(standing: Running) -> None:
    server = standing.get("/index.php/a/b%20c?d=1", Host="moodle.example.org:4711").json()["server"]
    assert server["PATH_INFO"] == "/a/b c"
    assert server["SCRIPT_NAME"] == "/index.php"
    assert server["SERVER_PORT"] == "4711"
    assert "HTTPS" not in server


def test_uploads_are_taken_up_to_the_limit_and_refused_above_it(installed: Site) -> None:
    running = installed.web({"MOODLE_UPLOAD_MAX": "2M"})
    content = bytes(range(256)) * 8192
    answer = upload(running, content).json()
    del answer["folder"]
    assert answer == {
        "error": 0, "size": len(content), "sha1": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
    }  # fmt: skip
    assert upload(running, content + b"x").json()["error"] == 1
    try:
        assert upload(running, b"x" * (4 << 20)).status == 413
    except ConnectionError:
        assert '"status":413' in running.logs(), "nginx closes the connection rather than read what is too large"


def test_the_log_has_paths_without_their_queries(standing: Running) -> None:
    standing.get("/index.php?token=s3cret")
    eventually(lambda: '"path":"/index.php",' in standing.logs())
    paths = {json.loads(line)["path"] for line in standing.logs().splitlines() if line.startswith("{")}
    assert not paths & {"/livez", "/readyz"}
    assert "s3cret" not in standing.logs()


def test_the_log_has_no_tokens_that_are_a_part_of_a_path(standing: Running) -> None:
    standing.get("/tokenpluginfile.php/s3cretkey/5/user/icon?a=b")
    standing.get("/rss/file.php/27/s3crettoken/mod_forum/1/rss.xml")
    eventually(lambda: '"path":"/tokenpluginfile.php/-/5/user/icon"' in standing.logs())
    eventually(lambda: '"path":"/rss/file.php/27/-/mod_forum/1/rss.xml"' in standing.logs())
    assert "s3cret" not in standing.logs()


def test_the_log_has_no_query_of_a_large_post(standing: Running) -> None:
    standing.request("POST", "/index.php?wstoken=l4rge", b"x" * 100_000)
    eventually(lambda: '"method":"POST","path":"/index.php"' in standing.logs())
    assert "l4rge" not in standing.logs()


def test_uploads_on_their_way_take_no_memory(installed: Site) -> None:
    running = installed.web()
    with socket.create_connection(running.address(), timeout=15) as connection:
        connection.sendall(b"POST /upload.php HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n")
        connection.sendall(b"x" * 4_000_000)
        # nginx removes the name of such a file as soon as it is open.
        opened = ("sh", "-c", "ls -l /proc/[0-9]*/fd 2> /dev/null | grep -o '/[^ ]*/body/' | sort -u")
        eventually(lambda: running.execute(*opened)[1].startswith("/var/moodledata/.transit/"), said=running.logs)
    assert upload(running, b"content").json()["folder"].startswith("/var/moodledata/.transit/")
    running.container.kill("SIGTERM")
    assert running.wait() == 0
    assert installed.run("cli", "find", "/var/moodledata/.transit", "-mindepth", "1")[1] == ""


def test_few_file_descriptors_leave_room_for_the_probes(installed: Site) -> None:
    from docker.types import Ulimit

    running = installed.web(ulimits=[Ulimit(name="nofile", soft=256, hard=4096)])
    with contextlib.ExitStack() as connections:
        for _ in range(600):
            connection = connections.enter_context(socket.create_connection(running.address(), timeout=15))
            connection.sendall(b"GET / HTTP/1.1")
        assert running.get("/livez").status == 200


def test_tls_is_spoken_with_a_certificate(site: Site) -> None:
    import ssl

    site.install()
    make = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 -keyout tls.key -out tls.crt"
    assert site.run("cli", "sh", "-c", f"cd /var/moodledata && {make} && chmod 644 tls.*")[0] == 0
    running = site.web(
        {
            "MOODLE_WWWROOT": "https://localhost",
            "MOODLE_TLS_CERT": "/var/moodledata/tls.crt",
            "MOODLE_TLS_KEY": "/var/moodledata/tls.key",
        },
        ports={"8080/tcp": ("127.0.0.1", None), "8443/tcp": ("127.0.0.1", None)},
    )
    client = ssl.create_default_context()
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(running.address(8443), timeout=15) as plain,
        client.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        assert connection.selected_alpn_protocol() == "h2"


def test_code_and_library_files_can_not_be_changed(standing: Running) -> None:
    for path in ("/var/www/moodle/config.php", "/var/www/moodle/public/new.php", "/etc/moodle/nginx.conf", "/new"):
        assert standing.execute("sh", "-c", f"echo >> {path}")[0] != 0
    find = ("find", "/var/www/moodle", "/usr/local", "/etc/moodle", "-perm", "/022", "-not", "-type", "l")
    assert standing.execute(*find)[1] == ""


def test_the_first_requests_are_the_containers_own(standing: Running) -> None:
    assert standing.execute("cat", "/var/moodledata/warmed")[1] == "moodle-keeper"
    assert standing.execute("cat", "/var/moodledata/warmed_css")[1] == "/test/1/all"
