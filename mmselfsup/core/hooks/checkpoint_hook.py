"""Checkpoints at intervals, of which the newest stay, and a file of the backbone alone."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmcv.runner import HOOKS
from mmcv.runner import CheckpointHook as MMCVCheckpointHook

from mmselfsup.utils.dist import is_main, on_main
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import remove_leftovers
from mmselfsup.utils.logger import file_only
from mmselfsup.utils.module import unwrap
from mmselfsup.utils.sharding import is_sharded

from ..checkpoint import (
    STOPPED_FILE,
    backbone_of,
    backbone_state,
    export_backbone,
    link_latest,
    load_state,
)

_BACKBONE = "backbone.pth"


@HOOKS.register_module(force=True)
class CheckpointHook(MMCVCheckpointHook):  # type: ignore[misc]
    """mmcv's hook with files that are complete or absent, and ``backbone.pth`` beside them.

    It comes after all other hooks, evaluation and loggers included: what an epoch gives is complete
    before its checkpoint says that it is done. A checkpoint of a loss or of weights that are not
    finite is not written. A file is removed only after a newer one is complete. Files with numbers
    beyond the current one (of an earlier run in the same folder) don't count and stay.

    A run that resumes from a checkpoint of its own folder first completes what a kill may have
    prevented: ``latest.pth`` and ``backbone.pth`` become those of this checkpoint, files beyond the
    limit and temporary files go.

    Args:
        save_backbone: Whether to write ``backbone.pth``, the weights under the names of torchvision
            (ResNet) or timm (ViT and Swin).
        *args: See ``**kwargs``.
        **kwargs: Those of mmcv's hook: ``interval`` (-1: at the end only), ``by_epoch``,
            ``save_optimizer``, ``out_dir``, ``max_keep_ckpts`` (-1: all), ``save_last``,
            ``sync_buffer``, ``file_client_args``; and of the runner's ``save_checkpoint``, such
            as ``filename_tmpl``.
    """

    def __init__(self, *args: Any, save_backbone: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.args: dict[str, Any]  # of the runner's ``save_checkpoint``
        self.save_backbone = save_backbone

    @property
    def _template(self) -> str:
        default = "epoch_{}.pth" if self.by_epoch else "iter_{}.pth"
        return self.args.get("filename_tmpl", default)

    def before_run(self, runner: Any) -> None:
        """Find the folder and the backbone, and remove what killed writers left in the folder."""
        with file_only():
            super().before_run(runner)
        if self.save_backbone:
            backbone_of(unwrap(runner.model))  # an error not only at the first checkpoint
        if is_main():
            for folder in {str(self.out_dir), str(runner.work_dir)}:
                left = [] if "://" in folder else remove_leftovers(folder)
                if left:
                    runner.logger.info("removed what a killed run left: %s", ", ".join(left))

    def after_resume(self, runner: Any) -> None:
        """Bring the other files to the state of the checkpoint that the run resumes from."""
        if not runner.resumed_in(self.out_dir):
            return
        with runner.state_of_all_ranks():
            if runner.measured_late and runner.is_between_steps(self.by_epoch):
                with runner.as_when_saved():  # the best score has changed
                    on_main(lambda: self._save(runner))
            else:
                on_main(lambda: self._restore_files(runner))
        self._tell(runner)

    def _restore_files(self, runner: Any) -> None:
        """Write ``latest.pth`` and ``backbone.pth`` where they are of another checkpoint."""
        folder, resumed = Path(self.out_dir), Path(runner.resumed_from).resolve()
        latest = folder / "latest.pth"
        if self.args.get("create_symlink", True) and latest.resolve() != resumed:
            # On file systems without links ``latest.pth`` is a file itself, and resumed from.
            link_latest(str(folder / resumed.name))
            runner.logger.info("latest.pth is %s again", resumed.name)
        if self.save_backbone and not _holds(folder / _BACKBONE, unwrap(runner.model)):
            export_backbone(unwrap(runner.model), str(folder / _BACKBONE))
            runner.logger.info("%s is that of %s again", _BACKBONE, resumed.name)
        if resumed.name != STOPPED_FILE:
            (folder / STOPPED_FILE).unlink(missing_ok=True)
        if self.max_keep_ckpts > 0:
            self._remove_old(runner.epoch if self.by_epoch else runner.iter)

    def _save_checkpoint(self, runner: Any) -> None:
        """Save on the first rank, unless a loss or weight of any rank is not finite."""
        runner.log_buffer.check()
        with runner.state_of_all_ranks():
            on_main(lambda: self._save(runner))
        self._tell(runner)

    def save_stopped(self, runner: Any) -> str:
        """Save under a name that the next regular checkpoint removes; return the path.

        Raises:
            UserError: A loss or weight of any rank is not finite, or the folder can't be written.
        """
        with self._as_stopped():
            self._save_checkpoint(runner)
        return os.path.join(self.out_dir, STOPPED_FILE)

    def save_on_error(self, runner: Any) -> str:
        """Save what an error has left, under the name of ``save_stopped``; return the path.

        Only the first rank calls this: the others may be anywhere.

        Raises:
            UserError: A weight is not finite, the folder can't be written, or the model is sharded,
                so that no rank has all of it.
        """
        if is_sharded(runner.model):
            raise UserError("a sharded model can't be saved by one rank")
        with self._as_stopped():
            self._save(runner)
        return os.path.join(self.out_dir, STOPPED_FILE)

    @contextmanager
    def _as_stopped(self) -> Iterator[None]:
        """Save under the name of a stopped run within the block."""
        regular = self.args
        self.args = {**regular, "filename_tmpl": STOPPED_FILE}
        try:
            yield
        finally:
            self.args = regular

    def _save(self, runner: Any) -> None:
        """Save, store the name for the next checkpoints, remove those beyond the limit."""
        number = (runner.epoch if self.by_epoch else runner.iter) + 1
        path = os.path.join(self.out_dir, self._template.format(number))
        if runner.meta is not None:
            # Before saving: the checkpoint holds the meta data, its own name among them.
            runner.meta.setdefault("hook_msgs", {})["last_ckpt"] = path
        runner.save_checkpoint(self.out_dir, save_optimizer=self.save_optimizer, **self.args)
        if self.save_backbone:
            export_backbone(unwrap(runner.model), os.path.join(self.out_dir, _BACKBONE))
        if "://" in self.out_dir:
            return
        if os.path.basename(path) != STOPPED_FILE:
            Path(self.out_dir, STOPPED_FILE).unlink(missing_ok=True)
        if self.max_keep_ckpts > 0:
            self._remove_old(number)

    def _tell(self, runner: Any) -> None:
        """Tell the other hooks that there is a checkpoint of this state."""
        for hook in runner.hooks:
            if hasattr(hook, "after_checkpoint"):
                hook.after_checkpoint(runner)

    def save_if_due(self, runner: Any) -> None:
        """Save before the error of a hook ends the run: what was trained is not lost.

        Only the first rank does something, because the others may be anywhere.
        """
        due = self.every_n_epochs if self.by_epoch else self.every_n_iters
        is_last = self.is_last_epoch if self.by_epoch else self.is_last_iter
        wanted = due(runner, self.interval) or (self.save_last and is_last(runner))
        if is_main() and wanted and not is_sharded(runner.model):
            self._save(runner)

    def _remove_old(self, number: int) -> None:
        files = numbered_files(Path(self.out_dir), self._template)
        done = sorted(n for n in files if n <= number)
        for old in done[: -self.max_keep_ckpts]:
            files[old].unlink(missing_ok=True)


def numbered_files(folder: Path, template: str) -> dict[int, Path]:
    """Return the files named by ``template`` (as ``epoch_{}.pth``), by their number."""
    before, _, after = template.partition("{}")
    pattern = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    matches = ((pattern.fullmatch(path.name), path) for path in folder.iterdir())
    return {int(match[1]): path for match, path in matches if match}


def _holds(path: Path, model: torch.nn.Module) -> bool:
    """Return whether a file holds the backbone's present weights; also True without a backbone."""
    wanted = backbone_state(model)
    if wanted is None:
        return True
    try:
        found = load_state(str(path))
    except UserError:  # missing or damaged: it is written again
        return False
    return found.keys() == wanted.keys() and all(
        torch.equal(found[name], tensor) for name, tensor in wanted.items()
    )


def save_before_error(runner: Any, hooks: Iterable[Any]) -> None:
    """Let the checkpoint hooks save if this is their time; a second error is only logged."""
    try:
        for hook in hooks:
            if isinstance(hook, CheckpointHook):
                hook.save_if_due(runner)
    except UserError as error:
        runner.logger.error("%s", error)
