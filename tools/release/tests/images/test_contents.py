"""What is in an image in the end, from its layers, and what syft's list is compared with."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from release.images.contents import read
from release.images.sbom import differences

Layer = Mapping[str, str | None]
"""Files of a layer: text, or ``None`` for what the layer removes."""


def layer(files: Layer, *, packed: bool = False) -> io.BytesIO:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path, text in files.items():
            folder, _, name = path.rpartition("/")
            info = tarfile.TarInfo(f"{folder}/{'.wh.' if text is None else ''}{name}".lstrip("/"))
            info.size = len(text or "")
            if path.endswith("/"):
                info.type = tarfile.DIRTYPE
            archive.addfile(info, io.BytesIO((text or "").encode()))
    return io.BytesIO(gzip.compress(content.getvalue())) if packed else io.BytesIO(content.getvalue())


_FILES = st.dictionaries(
    st.sampled_from(["/a", "/b", "/d/x", "/d/y", "/d/e/z"]),
    st.one_of(st.none(), st.text("xyz", max_size=4)),
    max_size=5,
)


@given(st.lists(_FILES, max_size=5), st.booleans())
def test_what_is_there_in_the_end_is_what_the_layers_give_one_by_one(layers: list[Layer], packed: bool) -> None:
    wanted: dict[str, str] = {}
    for files in layers:
        wanted = {path: text for path, text in wanted.items() if path not in files}
        wanted |= {path: text for path, text in files.items() if text is not None}
    found = read([layer(files, packed=packed) for files in layers], lambda _: True)
    assert {path: text.decode() for path, text in found.texts.items()} == wanted
    assert {path: file.size for path, file in found.files.items()} == {path: len(one) for path, one in wanted.items()}
    assert found.layers == tuple(sum(len(text or "") for text in files.values()) for files in layers)


def test_a_folder_that_a_layer_removes_or_makes_anew_hides_what_was_in_it() -> None:
    lower = {"/d/x": "1", "/d/e/z": "2", "/k/x": "3"}
    assert set(read([layer(lower), layer({"/d": None})]).files) == {"/k/x"}
    opaque = layer({"/d/.wh..wh..opq": "", "/d/new": "4"})
    assert set(read([layer({"/d/": "", **lower}), opaque]).files) == {"/d", "/k/x", "/d/new"}
    assert set(read([layer({"/d/": "", **lower}), layer({"/d": "a file"})]).files) == {"/d", "/k/x"}
    assert read([layer(lower)]).below("/d") == 2


def _bill(*packages: tuple[str, str, str]) -> object:
    return {
        "packages": [
            {
                "name": name,
                "versionInfo": version,
                "externalRefs": [{"referenceType": "purl", "referenceLocator": f"pkg:{kind}/{name}@{version}"}],
            }
            for kind, name, version in packages
        ]
    }


def test_a_list_that_is_not_dpkg_s_and_composer_s_own_is_found_out() -> None:
    status = (
        "Package: a\nStatus: install ok installed\nVersion: 1:2-3\n\nPackage: old\nStatus: deinstall ok config-files\n"
    )
    composer = json.dumps({"packages": [{"name": "acme/tool", "version": "v1.2.0"}]})
    contents = read(
        [layer({"/var/lib/dpkg/status": status, "/srv/vendor/composer/installed.json": composer})], lambda _: True
    )
    right = [("deb", "debian/a", "1:2-3"), ("composer", "acme/tool", "v1.2.0")]
    assert differences(_bill(*right), contents) == []
    assert differences(_bill(right[1]), contents) == ["a 1:2-3 is installed and not listed"]
    assert differences(_bill(right[0]), contents) == ["acme/tool 1.2.0 is installed and not listed"]
    more = ("deb", "debian/c", "1")
    assert differences(_bill(*right, more), contents) == ["c 1 is listed and not installed"]
    other = ("deb", "debian/a", "1:2-4")
    assert len(differences(_bill(other, right[1]), contents)) == 2
