"""The base class of the epoch-based and the iteration-based runner."""

from collections.abc import Sequence
from typing import Any

from mmcv.runner import HOOKS, BaseRunner
from mmcv.runner.utils import get_host_info
from mmcv.utils import build_from_cfg
from torch import nn

from mmselfsup.utils.device import batch_size, to_device
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import module_device, unwrap

from .log_buffer import TensorLogBuffer
from .state import StateMixin


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
        """Register the hook that saves checkpoints after all hooks that change their content.

        mmcv gives it the priority of the custom hooks, and registers it before them: a checkpoint
        inside an epoch would miss their last update (a moving average, a memory).
        """
        if checkpoint_config is None:
            return
        hook = checkpoint_config
        if isinstance(hook, dict):
            hook = build_from_cfg({"type": "CheckpointHook", **hook}, HOOKS)
        self.register_hook(hook, priority="LOW")

    def run_iter(self, data_batch: Any, train_mode: bool, **kwargs: Any) -> None:
        """Move a batch to the model's device, call the model and log its losses."""
        data = to_device(data_batch, module_device(self.model))
        outputs = self._call_model(data, train_mode, **kwargs)
        if not isinstance(outputs, dict):
            raise TypeError(f"a step must return a dict, got {type(outputs).__name__}")
        if "log_vars" in outputs:
            self.log_buffer.iteration = self.iter if train_mode else None
            self.log_buffer.update(outputs["log_vars"], outputs["num_samples"])
        self.outputs = outputs

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
        self.logger.info("Start running, host: %s, work_dir: %s", get_host_info(), self.work_dir)
        self.logger.info("Hooks run in this order:\n%s", self.get_hook_info())
        self.logger.info("workflow: %s, max: %d %s", workflow, end, unit)
        if done >= end:
            self.logger.info("nothing left to train: %d of %d %s are done", done, end, unit)
