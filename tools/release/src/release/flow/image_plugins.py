"""Lock plugins of others: fetched once by a person's order, from then on only taken as they were."""

from __future__ import annotations

from collections.abc import Sequence

from release.errors import FormatError, Place
from release.flow.progress import Progress, silent
from release.formats import plugins_lock
from release.formats.plugins_lock import LockedPlugin
from release.images.plugins import fetched, read_zip
from release.model.edit import digest
from release.repository.git import Repository
from release.repository.tree import WorkTree
from release.workspace.config import CONFIG, load

__all__ = ["add"]


def add(
    repository: Repository, urls: Sequence[str], *, progress: Progress = silent
) -> tuple[str, tuple[LockedPlugin, ...]]:
    """Write the plugins at ``urls`` into the work tree's ``plugins.lock``; return its path and what was added.

    Raises:
        DestinationRefused: an address gives no answer.
        FormatError: it leads to no plugin's zip, or the file there can't be read.
    """
    path = load(WorkTree(repository).read_many([CONFIG]).get(CONFIG)).images.plugins
    file = repository.root / path
    known = {one.name: one for one in plugins_lock.parse(file.read_bytes(), path)} if file.is_file() else {}
    added = []
    for number, url in enumerate(urls):
        progress(f"fetch: {url}", number, len(urls))
        content = fetched(url)
        facts = read_zip(content, url).facts
        one = LockedPlugin(facts.name or "", facts.build or 0, url, digest(content), Place(path))
        added.append(one)
        known[one.name] = one
    text = plugins_lock.render(known.values())
    try:
        plugins_lock.parse(text, path)
    except FormatError as error:
        raise FormatError(error.what, where=[Place(path)], fix=error.fix) from None
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(text)
    new.replace(file)
    return path, tuple(added)
