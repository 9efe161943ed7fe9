"""What the image of Moodle sets, each with what is there without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["TUNINGS", "Tuning"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """A tuning, the page on which it should show, and what switches it off: php.ini, PHP of config.php, variables."""

    name: str
    page: str = "course"
    ini: str = ""
    config: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


TUNINGS = (
    Tuning(
        "opcache as large as the code",
        ini="opcache.memory_consumption=128\nopcache.max_accelerated_files=10000\nopcache.interned_strings_buffer=8\n",
    ),
    Tuning("opcache.validate_timestamps=0", ini="opcache.validate_timestamps=1\nopcache.revalidate_freq=2\n"),
    Tuning("realpath cache", ini="realpath_cache_size=4096K\nrealpath_cache_ttl=120\n"),
    Tuning("a fixed number of workers, from memory and CPUs", environment={"MOODLE_FPM_WORKERS": "5"}),
    Tuning("shared caches in Redis", config="unset($CFG->altcacheconfigpath);"),
    Tuning("sessions in Redis", config="$CFG->session_handler_class = '\\core\\session\\database';"),
    Tuning("local caches in APCu", ini="apc.enabled=0\n"),
    Tuning("component cache in the image", config="unset($CFG->alternative_component_cache);"),
    Tuning("local files on tmpfs", config="$CFG->localcachedir = $CFG->dataroot . '/localcache';"),
    Tuning("files sent by nginx (X-Accel)", page="file", config="unset($CFG->xsendfile);"),
)
"""The tunings that a request can show; compression is measured by size."""
