"""The base class of the epoch-based and the iteration-based runner.

Its first part, ``StateMixin``, saves and restores everything that a training needs to resume.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mmcv.runner import HOOKS, BaseRunner, LoggerHook
from mmcv.runner.utils import get_host_info
from mmcv.utils import build_from_cfg
from torch import nn

from mmselfsup.utils import dist
from mmselfsup.utils.device import batch_size, to_device
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import file_only
from mmselfsup.utils.module import module_device, share_weights, unwrap, with_counts
from mmselfsup.utils.seed import RngState, get_rng_state, set_rng_state
from mmselfsup.utils.sharding import whole
from mmselfsup.utils.side_stream import beside_step

from ..checkpoint import (
    LoadReport,
    in_memory,
    link_latest,
    load_optimizer_state,
    load_state,
    load_weights,
    meta_of,
    save_checkpoint,
    weights_of,
)
from .log_buffer import TensorLogBuffer

_NOTHING_DONE = {"epoch": 0, "iter": 0, "inner_iter": 0}


class StateMixin:
    """Checkpoints of a runner: weights, optimizer, hooks, progress, random state of every rank.

    ``meta`` holds the complete parts: ``epoch`` epochs, ``iter`` iterations in all, ``inner_iter``
    iterations of an epoch that was interrupted (0 between epochs).
    """

    model: Any
    optimizer: Any
    logger: Any
    meta: Any
    hooks: list[Any]
    _epoch: int
    _iter: int
    _inner_iter: int

    _in_iteration = False
    _at_start = False
    #: Iterations up to the last step of the optimizer; its hook sets it.
    stepped_iters: int | None = None
    # What counts as complete where an error has ended the run inside an epoch.
    _complete_iters: int | None = None
    _num_to_skip = 0
    _rng_states: list[RngState] | None = None  # of all ranks, while an epoch ends
    _resumed_rng: RngState | None = None

    #: The checkpoint that the run resumes from.
    resumed_from: str | None = None
    #: Whether its state was evaluated by this run only.
    measured_late = False
    #: Name of the best checkpoint that the newest checkpoint of the run names.
    best_in_checkpoint = ""
    _resumed_states: list[RngState] | None = None  # of all ranks
    _resumed_inside = False  # whether it was written inside an epoch

    def _progress(self) -> dict[str, int]:
        """Return the complete epochs, iterations, and iterations of the current epoch."""
        raise NotImplementedError

    def _write_checkpoint(
        self,
        out_dir: str,
        filename: str,
        meta: Mapping[str, Any] | None,
        save_optimizer: bool,
        create_symlink: bool,
    ) -> None:
        """Write a checkpoint on the first rank; the other ranks do nothing.

        Inside an epoch the random states of the other ranks are known within ``state_of_all_ranks``
        only; between epochs the first rank has gathered them.
        """
        if not dist.is_main():
            return
        if meta is not None and not isinstance(meta, Mapping):
            raise TypeError(f"meta must be a dict or None, got {type(meta).__name__}")
        module = unwrap(self.model)
        progress = _NOTHING_DONE if self._at_start else self._progress()
        merged = {**(meta or {}), **(self.meta or {}), **progress}
        merged["world_size"] = dist.get_world_size()
        if getattr(module, "CLASSES", None) is not None:
            merged["CLASSES"] = list(module.CLASSES)  # type: ignore[arg-type]
        path = os.path.join(out_dir, filename)
        save_checkpoint(
            module,
            path,
            optimizer=self.optimizer if save_optimizer else None,
            meta=merged,
            extra={
                # Elsewhere, the state of this rank only.
                "rng_state": self._rng_states or [get_rng_state()],
                "hook_state": {
                    name: hook.state_dict() for name, hook in self._stateful_hooks().items()
                },
            },
        )
        if create_symlink:
            link_latest(path)

    @contextmanager
    def as_after_last_step(self) -> Iterator[None]:
        """Let checkpoints in this block count the iterations up to the optimizer's last step.

        An error may have ended the run within an iteration, or between batches that are one step.
        """
        stepped = self.stepped_iters
        self._complete_iters = self._iter if stepped is None else stepped
        try:
            yield
        finally:
            self._complete_iters = None

    @contextmanager
    def state_of_all_ranks(self) -> Iterator[None]:
        """Let checkpoints that the first rank writes in this block hold the state of every rank.

        That is the random state, and the weights and the optimizer of a sharded model. All ranks
        must call this together.
        """
        outer = self._rng_states
        self._rng_states = outer or dist.all_gather_object(get_rng_state())
        try:
            with whole(self.model, self.optimizer):
                yield
        finally:
            self._rng_states = outer

    def load_checkpoint(
        self,
        filename: str,
        map_location: Any = "cpu",
        strict: bool = False,
        revise_keys: Any = None,
        state: Mapping[str, Any] | None = None,
        partial: bool = False,
    ) -> LoadReport:
        """Load weights into the model and report what matched; see ``core.checkpoint``.

        ``map_location`` and ``revise_keys`` are arguments of mmcv and not used; prefixes are found
        without them. ``state`` is the content of the file, where it is read already; ``partial``
        allows a part of another network. All ranks then have the weights and buffers of the first
        one.
        """
        model = unwrap(self.model)
        report = load_weights(model, filename, self.logger, strict, state, partial)
        share_weights(model)
        return report

    def resume(
        self,
        checkpoint: str,
        resume_optimizer: bool = True,
        map_location: Any = "default",
        state: Mapping[str, Any] | None = None,
        allow_missing: bool = False,
    ) -> None:
        """Resume from a checkpoint.

        Args:
            checkpoint: The file.
            resume_optimizer: Whether to restore the optimizer's state as well.
            map_location: Not used, an argument of mmcv; tensors are read on the CPU and copied to
                the devices of the model.
            state: The content of the file, where it is read already.
            allow_missing: Whether weights that the file doesn't have start from their initial
                values, without momentum.

        Raises:
            UserError: The file is no checkpoint, holds weights only, or not all of the model's.
        """
        state = load_state(checkpoint, mmap=True) if state is None else state
        meta = meta_of(state)
        if not all(isinstance(meta.get(name), int) for name in ("epoch", "iter")):
            raise UserError(
                f"{checkpoint} doesn't hold the progress of training: use load_from for its weights"
            )
        report = self.load_checkpoint(checkpoint, state=state, partial=True)  # checked below
        if report.mismatched or report.resized or not report.complete:
            lines = "; ".join(line.strip() for line in str(report).splitlines()[1:])
            raise UserError(
                f"{checkpoint} is of another model than this config's: {lines}; resume with the "
                "config of its run, or use load_from to start from its weights"
            )
        if report.missing and not allow_missing:
            raise UserError(
                f"{checkpoint} does not have all weights of the model: {', '.join(report.missing)} "
                f"({len(report.missing)}); resume from a complete one, use load_from to start from "
                "these weights, or set resume_missing=True to let the others start at random"
            )
        self._epoch, self._iter = int(meta["epoch"]), int(meta["iter"])
        self._num_to_skip = int(meta.get("inner_iter", 0))
        self.meta = {} if self.meta is None else self.meta
        # The other keys describe the run that wrote the checkpoint; mmcv's hook reads "fp16".
        for key in ("hook_msgs", "fp16"):
            if key in meta:
                self.meta[key] = meta[key]
        if resume_optimizer:
            self._resume_optimizer(checkpoint, state)
            self._forget_momentum(report.missing)
        # Hooks may keep what they get, and must not keep a file open that may be removed.
        states = dict(in_memory(state.get("hook_state") or {}))
        # Earlier checkpoints have the loss scale, if any, among the meta data.
        states.setdefault("GradAccumFp16OptimizerHook", meta.get("fp16") or {})
        self._resume_hooks(states)
        self._resume_rng(in_memory(state.get("rng_state")), meta)
        self.resumed_from = str(checkpoint)
        self._resumed_states = in_memory(state.get("rng_state"))
        self._resumed_inside = self._num_to_skip > 0
        self.logger.info("resumed from %s: epoch %d, iter %d", checkpoint, self._epoch, self._iter)

    def _resume_optimizer(self, checkpoint: str, state: Mapping[str, Any]) -> None:
        """Load the state of the optimizer, or of each of several."""
        if "optimizer" not in state:
            raise UserError(f"{checkpoint} has no optimizer state: use load_from for its weights")
        names = list(weights_of(state, checkpoint))
        module = unwrap(self.model)
        if not isinstance(self.optimizer, dict):
            load_optimizer_state(self.optimizer, state["optimizer"], module, names)
            return
        for name, optimizer in self.optimizer.items():
            load_optimizer_state(optimizer, state["optimizer"][name], module, names)

    def _forget_momentum(self, names: Sequence[str]) -> None:
        """Delete the optimizer's state of weights that the checkpoint does not have."""
        params = dict(unwrap(self.model).named_parameters())
        several = isinstance(self.optimizer, dict)
        for optimizer in self.optimizer.values() if several else [self.optimizer]:
            for name in names:
                if name in params:
                    optimizer.state.pop(params[name], None)

    def resumed_in(self, folder: str) -> bool:
        """Return whether the run resumes from a checkpoint that lies in ``folder``."""
        names = (self.resumed_from, str(folder))
        if self.resumed_from is None or any("://" in str(name) for name in names):
            return False
        return Path(self.resumed_from).resolve().parent == Path(folder).resolve()

    def is_between_steps(self, by_epoch: bool) -> bool:
        """Return whether the resumed checkpoint was written after a whole epoch (iteration)."""
        raise NotImplementedError

    def as_when_saved(self) -> AbstractContextManager[None]:
        """Set the counters to the moment in which the resumed checkpoint was written.

        Hooks can then do what they should have done at that time, under the right numbers.
        """
        raise NotImplementedError

    @contextmanager
    def as_at_start(self) -> Iterator[None]:
        """Set the counters so that what is logged and saved in this block has the number 0.

        It is for the weights that the training starts from, in its first iteration before the step.
        """
        before = self._epoch, self._iter, self._in_iteration
        # Hooks and loggers add 1: they count what the iteration or epoch will complete.
        self._epoch, self._iter, self._in_iteration, self._at_start = -1, -1, False, True
        try:
            yield
        finally:
            self._epoch, self._iter, self._in_iteration = before
            self._at_start = False

    def _after_resume(self) -> None:
        """Let hooks complete what the resumed run had left, after ``before_run`` of all hooks."""
        if self.resumed_from is None:
            return
        for hook in self.hooks:
            if hasattr(hook, "after_resume"):
                hook.after_resume(self)

    def _stateful_hooks(self) -> dict[str, Any]:
        """Return the hooks with a state to save, those with both methods of a state dict, by name.

        The name is that of the class. Of several hooks of one class the last one has it, the others
        have ``<class>#1``, ``<class>#2``, ...: earlier checkpoints hold the last one's state only.
        """
        methods = ("state_dict", "load_state_dict")
        hooks = [hook for hook in self.hooks if all(hasattr(hook, name) for name in methods)]
        named: dict[str, Any] = {}
        for i, hook in enumerate(hooks):
            name = type(hook).__name__
            number = sum(type(other).__name__ == name for other in hooks[: i + 1])
            is_last = all(type(other).__name__ != name for other in hooks[i + 1 :])
            named[name if is_last else f"{name}#{number}"] = hook
        return named

    def _resume_hooks(self, states: Mapping[str, Any]) -> None:
        """Load the states of hooks, by their names."""
        for name, hook in self._stateful_hooks().items():
            if name in states:
                hook.load_state_dict(states[name])
            else:
                self.logger.warning("the checkpoint has no state of %s: it restarts", name)

    def _resume_rng(self, states: Any, meta: Mapping[str, Any]) -> None:
        """Store this rank's random state until training reaches the first batch."""
        if not states:
            return
        # One that hooks wrote inside an epoch may have the state of the first rank only.
        if len(states) == dist.get_world_size() == int(meta.get("world_size", 1)):
            self._resumed_rng = states[dist.get_rank()]
        else:
            self.logger.info(
                "the random state is not restored: the checkpoint has that of %d of %d ranks, "
                "there are %d now",
                len(states),
                int(meta.get("world_size", 1)),
                dist.get_world_size(),
            )

    def _restore_rng(self) -> None:
        """Restore the random state of the checkpoint, once."""
        if self._resumed_rng is not None:
            set_rng_state(self._resumed_rng)
            self._resumed_rng = None


class CommonRunner(StateMixin, BaseRunner):  # type: ignore[misc]
    """mmcv's runner with a bare model, tensors in the log buffer and no waiting for the device.

    The model is the bare module in one process and ``DistributedDataParallel`` around it in many;
    it is trained through ``forward``.
    """

    def __init__(self, model: nn.Module, *args: Any, **kwargs: Any) -> None:
        super().__init__(unwrap(model), *args, **kwargs)  # mmcv checks for train_step
        self.model = model
        self.log_buffer = TensorLogBuffer()

    def register_checkpoint_hook(self, checkpoint_config: Any) -> None:
        """Register the hook that saves checkpoints after all other hooks.

        mmcv gives it the priority of the custom hooks, and registers it before them: a checkpoint
        would miss their last update (a moving average, a memory) and the evaluation of its epoch,
        which would be lost if the run were killed in it.
        """
        if checkpoint_config is None:
            return
        hook = checkpoint_config
        if isinstance(hook, dict):
            hook = build_from_cfg({"type": "CheckpointHook", **hook}, HOOKS)
        self.register_hook(hook, priority="LOWEST")

    def run_iter(self, data_batch: Any, train_mode: bool, **kwargs: Any) -> None:
        """Move a batch to the model's device, call the model and log its losses."""
        outputs = self._call_model(self._on_device(data_batch), train_mode, **kwargs)
        if not isinstance(outputs, dict):
            raise TypeError(f"a step must return a dict, got {type(outputs).__name__}")
        if "log_vars" in outputs:
            self.log_buffer.iteration = self.iter if train_mode else None
            self.log_buffer.update(outputs["log_vars"], outputs["num_samples"])
        self.outputs = outputs

    def _on_device(self, data_batch: Any) -> Any:
        """Return a batch on the model's device, with what must be counted before it goes there."""
        data_batch = with_counts(unwrap(self.model), data_batch)
        device = module_device(self.model)
        return beside_step(partial(to_device, data_batch, device), device)

    def _call_model(self, data: Any, train_mode: bool, **kwargs: Any) -> Any:
        """Return the losses of one batch; those of a wrapped model come from its ``forward``."""
        module: Any = unwrap(self.model)
        if self.batch_processor is not None:
            return self.batch_processor(self.model, data, train_mode=train_mode, **kwargs)
        if not train_mode:
            return module.val_step(data, self.optimizer)
        if hasattr(self.model, "train_step"):  # the bare module, or mmcv's MMDataParallel
            return self.model.train_step(data, self.optimizer, **kwargs)
        # DistributedDataParallel averages gradients only if its own forward is called.
        loss, log_vars = module._parse_losses(self.model(**data))
        return {"loss": loss, "log_vars": log_vars, "num_samples": batch_size(data)}

    def _fit_loggers(self, length: int) -> None:
        """Let each logger write a line within ``length`` iterations, an epoch or the training.

        The log buffer keeps no more than the longest interval of a logger, or ten values.
        """
        loggers = [hook for hook in self.hooks if isinstance(hook, LoggerHook)]
        longer = max([hook.interval for hook in loggers], default=0)
        for hook in loggers:
            hook.interval = min(hook.interval, length)
        if longer > length:
            self.logger.info(
                "log_config.interval: %d, not %d: there are no more iterations",
                length, longer,
            )  # fmt: skip
        self.log_buffer.keep = max([10, *(hook.interval for hook in loggers)])

    def _announce(
        self, data_loaders: Sequence[Any], workflow: Sequence[Any], done: int, end: int, unit: str
    ) -> None:
        """Check the workflow and log what will run.

        Raises:
            UserError: There is an unknown mode, no training, or not one loader for each entry.
        """
        for entry in workflow:
            if len(entry) != 2 or entry[0] not in ("train", "val"):
                raise UserError(f"workflow entries must be ('train'|'val', N), got {entry!r}")
        if not any(mode == "train" and times > 0 for mode, times in workflow):
            raise UserError(f"workflow has no ('train', N) with N > 0: {workflow!r}")
        if len(data_loaders) != len(workflow):
            raise UserError(
                f"workflow {workflow!r} needs {len(workflow)} data sets, "
                f"there are {len(data_loaders)}"
            )
        with file_only():
            self.logger.info("Start running, host: %s, in %s", get_host_info(), self.work_dir)
            self.logger.info("Hooks run in this order:\n%s", self.get_hook_info())
            self.logger.info("workflow: %s, max: %d %s", workflow, end, unit)
        if done >= end:
            self.logger.info("nothing left to train: %d of %d %s are done", done, end, unit)
