"""Checkpoints at intervals, of which the newest stay, and a file of the backbone alone."""

import os
import re
from pathlib import Path
from typing import Any

from mmcv.runner import HOOKS, master_only
from mmcv.runner import CheckpointHook as MMCVCheckpointHook

from mmselfsup.utils.module import unwrap

from ..checkpoint import export_backbone


@HOOKS.register_module(force=True)
class CheckpointHook(MMCVCheckpointHook):  # type: ignore[misc]
    """mmcv's hook with files that are complete or absent, and ``backbone.pth`` beside them.

    A file is removed only after a newer one is complete. Files with numbers beyond the current one
    (of an earlier run in the same folder) don't count and stay.

    Args:
        save_backbone: Whether to write ``backbone.pth``, the weights under torchvision's names.
        *args, **kwargs: Those of mmcv's hook: ``interval`` (-1: at the end only), ``by_epoch``,
            ``save_optimizer``, ``out_dir``, ``max_keep_ckpts`` (-1: all), ``save_last``,
            ``sync_buffer``, ``file_client_args``; and of the runner's ``save_checkpoint``, such
            as ``filename_tmpl``.
    """

    def __init__(self, *args: Any, save_backbone: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.save_backbone = save_backbone

    @property
    def _template(self) -> str:
        default = "epoch_{}.pth" if self.by_epoch else "iter_{}.pth"
        return self.args.get("filename_tmpl", default)

    def _save_checkpoint(self, runner: Any) -> None:
        """Save on the first rank, with the random state of all."""
        with runner.rng_of_all_ranks():
            self._save_on_main(runner)

    @master_only
    def _save_on_main(self, runner: Any) -> None:
        """Save, store the name for the next checkpoints, remove those beyond the limit."""
        number = (runner.epoch if self.by_epoch else runner.iter) + 1
        path = os.path.join(self.out_dir, self._template.format(number))
        if runner.meta is not None:
            # Before saving: the checkpoint holds the meta data, its own name among them.
            runner.meta.setdefault("hook_msgs", {})["last_ckpt"] = path
        runner.save_checkpoint(self.out_dir, save_optimizer=self.save_optimizer, **self.args)
        if self.save_backbone:
            export_backbone(unwrap(runner.model), os.path.join(self.out_dir, "backbone.pth"))
        if self.max_keep_ckpts > 0 and "://" not in self.out_dir:
            self._remove_old(number)

    def _remove_old(self, number: int) -> None:
        files = numbered_files(Path(self.out_dir), self._template)
        done = sorted(n for n in files if n <= number)
        for old in done[: -self.max_keep_ckpts]:
            files[old].unlink()


def numbered_files(folder: Path, template: str) -> dict[int, Path]:
    """Return the files named by ``template`` (as ``epoch_{}.pth``), by their number."""
    before, _, after = template.partition("{}")
    pattern = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    matches = ((pattern.fullmatch(path.name), path) for path in folder.iterdir())
    return {int(match[1]): path for match, path in matches if match}
