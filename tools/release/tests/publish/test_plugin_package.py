from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from release.formats import version_php
from releases import PLUGIN
from scratch import Result, Scratch, plugin

HELLO = "plugins/local_hello"
LANG = f"{HELLO}/lang/en/local_hello.php"
FACTS = f"{HELLO}/version.php"


def made(path: Path, files: Mapping[str, str | bytes | None] | None = None) -> Scratch:
    scratch = Scratch(path / "work")
    scratch.commit("feat: start", {**PLUGIN, **{k: v for k, v in (files or {}).items() if v is not None}})
    return scratch


def packaged(scratch: Scratch, *args: str, name: str = "local_hello", env: Mapping[str, str] | None = None) -> Path:
    data = scratch.run("package", name, "--out", "out", "--json", *args, env=env).ok().json
    (package,) = data["packages"]
    path = scratch.path / str(package["path"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == package["sha256"]
    return path


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return [name for name in archive.namelist() if not name.endswith("/")]


def test_a_plugin_becomes_a_zip_with_one_folder_that_is_called_as_it_is_without_its_type(tmp_path: Path) -> None:
    path = packaged(made(tmp_path))
    assert path.name == "local_hello-1.2.0.zip"
    assert names(path) == ["hello/CHANGES.md", "hello/lang/en/local_hello.php", "hello/version.php"]
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist()[0] == "hello/"


def test_what_only_developers_need_is_left_out_and_tests_are_shipped(tmp_path: Path) -> None:
    files = {
        ".gitattributes": "/plugins/local_hello/design export-ignore\n*.psd export-ignore\n",
        f"{HELLO}/.gitattributes": "/.htaccess -export-ignore\n",
        f"{HELLO}/.htaccess": "Deny from all\n",
        f"{HELLO}/.github/workflows/ci.yml": "on: push\n",
        f"{HELLO}/.gitignore": "x\n",
        f"{HELLO}/BUILD": "php()\n",
        f"{HELLO}/design/a.txt": "x\n",
        f"{HELLO}/pix/a.psd": "x\n",
        f"{HELLO}/pix/BUILD": "x\n",
        f"{HELLO}/package.json": "{}\n",
        f"{HELLO}/thirdparty/package.json": "{}\n",
        f"{HELLO}/node_modules/x/index.js": "x\n",
        f"{HELLO}/phpunit.xml.dist": "x\n",
        f"{HELLO}/tests/hello_test.php": "<?php\n",
        f"{HELLO}/amd/src/a.js": "x\n",
    }
    assert names(packaged(made(tmp_path, files))) == [
        "hello/.htaccess",
        "hello/CHANGES.md",
        "hello/amd/src/a.js",
        "hello/lang/en/local_hello.php",
        "hello/tests/hello_test.php",
        "hello/thirdparty/package.json",
        "hello/version.php",
    ]


def test_content_comes_from_the_commit_and_not_from_the_work_tree(tmp_path: Path) -> None:
    scratch = made(tmp_path, {".gitattributes": "*.php text eol=crlf\n"})
    first = packaged(scratch).read_bytes()
    scratch.write({FACTS: "<?php broken", f"{HELLO}/more.php": "<?php\n"})
    assert packaged(scratch).read_bytes() == first
    with zipfile.ZipFile(scratch.path / "out/local_hello-1.2.0.zip") as archive:
        assert archive.read("hello/version.php") == PLUGIN[FACTS].encode()


def test_a_package_can_be_made_of_an_earlier_release(tmp_path: Path) -> None:
    scratch = made(tmp_path)
    scratch.tag("local_hello-v1.2.0")
    first = packaged(scratch).read_bytes()
    scratch.commit("fix: more", {FACTS: plugin("local_hello", 2025010200, "1.2.1"), f"{HELLO}/lib.php": "<?php\n"})
    assert packaged(scratch).name == "local_hello-1.2.1.zip"
    assert packaged(scratch, "--at", "local_hello-v1.2.0").read_bytes() == first


def _pythons() -> dict[str, str]:
    """Return a Python of each version from 3.11 on that is here, by its version."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = [found for minor in range(11, 20) if (found := shutil.which(f"python3.{minor}"))]
    found: dict[str, str] = {}
    for path in (sys.executable, *named, *map(str, sorted(pyenv.glob("3.1[1-9]*/bin/python")))):
        code = "import sys; print(*sys.version_info[:2])"
        asked = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            found.setdefault(asked.stdout.strip(), path)
    return found


def test_two_clones_give_the_same_bytes_whatever_the_machine_is_like(tmp_path: Path) -> None:
    scratch = made(tmp_path, {f"{HELLO}/cli/run.php": "<?php\r\n", f"{HELLO}/pix/icon.svg": "<svg/>\n"})
    (scratch.path / HELLO / "cli/run.php").chmod(0o777)
    scratch.commit("feat: run")
    first = packaged(scratch)
    other = scratch.clone(tmp_path / "another place" / "deep")
    other.git("config", "core.autocrlf", "true")
    other.git("checkout", "-q", "-f", "HEAD")
    (other.path / ".git/info").mkdir(exist_ok=True)
    (other.path / ".git/info/attributes").write_text("*.php export-ignore\n")
    odd = {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}
    old = os.umask(0o077)
    try:
        second = packaged(other, env=odd)
    finally:
        os.umask(old)
    assert second.read_bytes() == first.read_bytes()
    with zipfile.ZipFile(first) as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert modes["hello/cli/run.php"] == 0o100755
        assert modes["hello/version.php"] == 0o100644


def test_every_python_writes_the_same_archive() -> None:
    source = Path(__file__).resolve().parents[2] / "src"
    code = (
        f"import sys; sys.path.insert(0, {str(source)!r})\n"
        "import importlib.util, hashlib\n"
        f"spec = importlib.util.spec_from_file_location('archives', {str(source / 'release/publish/archives.py')!r})\n"
        "made = importlib.util.module_from_spec(spec); sys.modules['archives'] = made; spec.loader.exec_module(made)\n"
        "entries = [made.Entry('a/b', b'x' * 70000, True), made.Entry('a/c', b'')]\n"
        "for one in (made.stored_zip(entries, 1700000000), made.stored_gzip(made.stored_tar(entries, 1700000000))):\n"
        "    print(hashlib.sha256(one).hexdigest())\n"
    )
    pythons = _pythons()
    if len(pythons) < 2:
        pytest.skip("there is only one Python here")
    made = {
        subprocess.run([one, "-c", code], check=True, capture_output=True, text=True).stdout for one in pythons.values()
    }
    assert len(made) == 1


def _refused(result: Result, *words: str) -> None:
    assert result.code == 16, result.out + result.err
    for word in words:
        assert word in result.err


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({f"{HELLO}/lang/en/hello.php": "", LANG: None}, ("lang/en/local_hello.php",)),
        ({FACTS: PLUGIN[FACTS].replace("2025010100", "'2025010100'")}, ("zip installer reads nothing", f"{FACTS}:5:")),
        ({FACTS: PLUGIN[FACTS] + "// x\n$x = '$plugin->version=1;';\n"}, ("zip installer reads 1",)),
        ({FACTS: PLUGIN[FACTS] + "$x = '$module->version=1;';\n"}, ("$module->version",)),
        ({f"{HELLO}/a\\b.php": ""}, ("no name that every system unpacks",)),
        ({f"{HELLO}/naïve.php": ""}, ("no name that every system unpacks",)),
        ({f"{HELLO}/a:b.php": ""}, ("no name that every system unpacks",)),
        ({f"{HELLO}/aux.php": ""}, ("no name that every system unpacks",)),
        ({f"{HELLO}/end.": ""}, ("no name that every system unpacks",)),
        ({f"{HELLO}/Lib.php": "", f"{HELLO}/lib.php": ""}, ("are one file where letters' case",)),
        ({f"{HELLO}/Pix/a": "", f"{HELLO}/pix/b": ""}, ("are one file where letters' case",)),
    ],
)
def test_what_the_installer_or_a_system_would_not_take_is_refused(
    tmp_path: Path, files: Mapping[str, str | None], words: tuple[str, ...]
) -> None:
    scratch = made(tmp_path, files)
    gone = [name for name, content in files.items() if content is None]
    if gone:
        scratch.commit("fix: gone", remove=gone)
    result = scratch.run("package", "local_hello")
    _refused(result, *words)
    assert not (scratch.path / "dist").exists()


def test_a_plugin_in_a_folder_of_another_name_is_refused(tmp_path: Path) -> None:
    scratch = made(tmp_path, {FACTS: PLUGIN[FACTS].replace("local_hello", "local_other")})
    _refused(scratch.run("package", "local_other"), "which is not called as it is")
    scratch = made(tmp_path / "second", {FACTS: PLUGIN[FACTS].replace("local_hello", "local_Hello")})
    _refused(scratch.run("package", "local_Hello"), "no name that Moodle takes")


def test_a_symbolic_link_is_refused_unless_it_is_not_shipped(tmp_path: Path) -> None:
    scratch = made(tmp_path)
    (scratch.path / HELLO / "link.php").symlink_to("version.php")
    scratch.commit("feat: link")
    _refused(scratch.run("package", "local_hello"), "link.php is a symbolic link")
    scratch.commit("fix: left out", {".gitattributes": "link.php export-ignore\n"})
    assert "hello/link.php" not in names(packaged(scratch))


def test_binaries_of_the_bundle_are_shipped_if_they_are_the_recorded_ones(tmp_path: Path) -> None:
    binary = b"\x7fELF hello"

    def bundle(digest: str) -> str:
        entry = {"path": "native/.lib.so", "version": "0.2.0", "sha256": digest}
        return json.dumps({"crates": {"greet": {"version": "0.2.0", "binaries": [entry]}}})

    right = hashlib.sha256(binary).hexdigest()
    scratch = made(tmp_path, {f"{HELLO}/bundle.json": bundle(right), ".gitignore": "native\n"})
    _refused(scratch.run("package", "local_hello"), "neither committed nor built")
    scratch.write({f"{HELLO}/native/.lib.so": binary})
    built = packaged(scratch)
    with zipfile.ZipFile(built) as archive:
        assert archive.read("hello/native/.lib.so") == binary
    scratch.write({f"{HELLO}/native/.lib.so": b"another"})
    _refused(scratch.run("package", "local_hello"), "is not the file that bundle.json records")
    scratch.git("add", "-f", f"{HELLO}/native/.lib.so")
    scratch.commit("feat: binary")
    _refused(scratch.run("package", "local_hello"), "is not the file that bundle.json records")
    scratch.commit("fix: record", {f"{HELLO}/native/.lib.so": binary})
    with zipfile.ZipFile(packaged(scratch)) as archive:
        assert archive.read("hello/native/.lib.so") == binary


def test_a_module_has_the_short_name_of_its_language_file(tmp_path: Path) -> None:
    files = {"mod/quick/version.php": plugin("mod_quick"), "mod/quick/lang/en/quick.php": "<?php\n"}
    assert "quick/lang/en/quick.php" in names(packaged(made(tmp_path, files), name="mod_quick"))


def test_what_has_no_package_says_which_kinds_have(tmp_path: Path) -> None:
    scratch = made(tmp_path, {"images/site/image.yaml": "name: site\nversion: 1.0.0\n"})
    _refused(scratch.run("package", "site"), "the kind image", "plugin, crate, chart")
    assert scratch.run("package", "nothing").code == 5
    assert scratch.run("package", "local_hello", "--at", "nowhere").code == 7


VALIDATE = r"""
define('MOODLE_INTERNAL', true);
[, $lib, $zip, $to, $type, $roots] = $argv;
define('PARAM_PLUGIN', 'plugin');
class coding_exception extends Exception {}
class core_plugin_manager {
    public static function instance() { return new self(); }
    public function get_plugin_info($component) { return null; }
    public function get_plugintype_root($type) { global $roots; return $roots; }
}
function clean_param($value, $type) {
    return preg_match('/^[a-z](?:[a-z0-9_](?!__))*[a-z0-9]+$/', $value) ? $value : '';
}
class core_component {
    public static function normalize_component($component) { return explode('_', $component, 2); }
}
require($lib . '/classes/update/validator.php');
$archive = new ZipArchive();
if ($archive->open($zip) !== true) { exit(3); }
$archive->extractTo($to);
$files = [];
for ($i = 0; $i < $archive->numFiles; $i++) { $files[$archive->getNameIndex($i)] = true; }
$validator = \core\update\validator::instance($to, $files);
$validator->assert_plugin_type($type);
$validator->assert_moodle_version('2099010100');
echo json_encode(['valid' => $validator->execute(), 'info' => $validator->get_versionphp_info(),
    'root' => $validator->get_rootdir(), 'errors' => array_values(array_filter($validator->get_messages(),
    fn($m) => $m->level === 'error'))]);
"""


@pytest.mark.parametrize("component", ["local_hello", "mod_quick", "block_tea_time"])
def test_moodles_own_validator_takes_the_zip(tmp_path: Path, component: str) -> None:
    moodle, php = os.environ.get("MOODLE_DIR"), shutil.which("php")
    if not moodle:
        pytest.skip("MOODLE_DIR names no Moodle tree")
    if php is None:
        pytest.skip("php is not installed")
    lib = next(path for path in (Path(moodle) / "public/lib", Path(moodle) / "lib") if path.is_dir())
    kind, _, name = component.partition("_")
    folder = f"plugins/{component}"
    language = name if kind == "mod" else component
    files = {
        f"{folder}/version.php": plugin(component, 2025010100, "1.0.0"),
        f"{folder}/lang/en/{language}.php": "<?php\n",
    }
    path = packaged(made(tmp_path, files), name=component)
    (tmp_path / "to").mkdir()
    (tmp_path / "roots").mkdir()
    done = subprocess.run(
        [php, "-r", VALIDATE, "--", str(lib), str(path), str(tmp_path / "to"), kind, str(tmp_path / "roots")],
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert (said["valid"], said["errors"], said["root"]) == (True, [], name)
    seen = version_php.installer_view((tmp_path / f"to/{name}/version.php").read_bytes())
    assert said["info"]["version"] == seen.version == "2025010100"
