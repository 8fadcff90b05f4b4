"""Refuse what a config says to nobody."""

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
    """Check that every key of a config is known to what will read it.

    The top level, the model with everything inside it, data sets with their sources and
    pipelines, hooks, optimizer, schedules, runner. Helper variables of the file, which mmcv
    leaves in the config, are taken out of it, so that a config that is written to a file passes
    the check again.

    Args:
        cfg: the config with overrides merged; helper variables are removed.
        filename: the file it came from, where there is one.
        overrides: what the command line set, as dotted keys or ``key=value``.

    Raises:
        UserError: a key or a type is unknown; names it, the nearest valid one and the valid ones.
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
                f"{key!r} is a variable of the config file, and what was made from it is made "
                "already; set the key that is used, such as optimizer.lr or data.train.pipeline",
            )
    findings.raise_first()
    for key in helpers.difference(SECTIONS, PLAIN).intersection(content):
        content.pop(key)


def _has_no_reader(key: str, content: Mapping[str, Any], helpers: set[str]) -> bool:
    """Whether a key is used while the file is read, but not afterwards."""
    if key == "img_norm_cfg":  # loaders read it where they normalise
        return not content.get("prefetch")
    return key in helpers and key not in SECTIONS and key not in PLAIN
