"""The check of a whole config for keys that nothing reads."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmcv import Config

from . import legacy
from .findings import Findings
from .helpers import helper_variables
from .sections import PLAIN, SECTIONS
from .walk import Walker


def check_config(cfg: Config, filename: str | None = None, overrides: Iterable[str] = ()) -> None:
    """Check that every key of a config is known to the code that will read it.

    The check covers the top level, the model with all its parts, data sets with their sources and
    pipelines, hooks, optimizer, schedules and runner. Helper variables of the file, which mmcv
    leaves in the config, are removed from it, so that a config that is written to a file passes
    the check again.

    Args:
        cfg: The config with overrides merged; helper variables are removed.
        filename: The file it came from, where there is one.
        overrides: Settings of the command line, as dotted keys or ``key=value``.

    Raises:
        UserError: A key or a type is unknown; the message names it, the nearest valid one and all
            valid ones.
    """
    keys = [override.partition("=")[0] for override in overrides]
    findings = Findings(filename, keys)
    walker = Walker(findings)
    helpers = set(legacy.HELPERS)
    if filename is not None and Path(filename).is_file():
        helpers |= helper_variables(filename)
    content = cfg._cfg_dict
    overridden = {key.partition(".")[0] for key in keys}
    for key in list(content):
        if key in SECTIONS:
            SECTIONS[key](walker, content[key], content)
        elif key not in (*PLAIN, *helpers):
            findings.unknown_key(key, (*SECTIONS, *PLAIN), "a config")
        if key in overridden and _has_no_reader(key, content, helpers):
            findings.add(
                key,
                f"{key!r} is a variable of the config file, and what is built from it is built "
                "already; set the key that is used, such as optimizer.lr or data.train.pipeline",
            )
    findings.raise_first()
    for key in helpers.difference(SECTIONS, PLAIN).intersection(content):
        content.pop(key)


def _has_no_reader(key: str, content: Mapping[str, Any], helpers: set[str]) -> bool:
    """Return whether a key is used while the file is read, but not afterwards."""
    if key == "img_norm_cfg":  # loaders read it where they normalise
        return not content.get("prefetch")
    return key in helpers and key not in SECTIONS and key not in PLAIN
