"""The folders that a training will write to, tried before the first step."""

import os
from collections.abc import Iterator
from typing import Any

from mmcv.runner import BaseRunner

from mmselfsup.core.hooks.eval_hook import FOLDER, EvalHook
from mmselfsup.utils import dist
from mmselfsup.utils.files import check_folder


def check_folders(runner: BaseRunner) -> None:
    """Check every folder of the hooks; a file in its place would end the run after an epoch.

    Args:
        runner: The runner with all of its hooks.

    Raises:
        UserError: A folder can't be written.
    """
    if dist.is_main() and runner.work_dir:
        for option, folder in _folders(runner):
            check_folder(option, folder)


def _folders(runner: BaseRunner) -> Iterator[tuple[str, str]]:
    """Yield the option and the folder of each hook that writes to one besides the work dir."""
    name = os.path.basename(str(runner.work_dir).rstrip(os.sep))
    for hook in runner.hooks:
        if isinstance(hook, EvalHook):
            yield "the metrics of the evaluation", os.path.join(runner.work_dir, FOLDER)
            if hook.save_best is None:
                continue  # nothing is written to ``out_dir``
        for folder in _local(getattr(hook, "out_dir", None)):
            if folder != str(runner.work_dir):
                # mmcv's hooks write to a folder in it, with the name of the work dir.
                yield f"{type(hook).__name__}.out_dir", os.path.join(folder, name)
        for folder in _local(getattr(hook, "log_dir", None)):
            yield f"{type(hook).__name__}.log_dir", folder


def _local(value: Any) -> Iterator[str]:
    """Yield the folders of this machine in an attribute of a hook: a path, or several.

    A user's hook may give the attribute any meaning: what is no path is left out.
    """
    for item in value if isinstance(value, list | tuple | set) else (value,):
        path = os.fspath(item) if isinstance(item, str | os.PathLike) else None
        if isinstance(path, str) and path and "://" not in path:
            yield path
