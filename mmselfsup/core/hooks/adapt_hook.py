"""The course of an adaptation: a warm-up with the backbone frozen, and a table of what trains."""

from collections import defaultdict
from typing import Any

from mmcv.runner import HOOKS, Hook
from rich.table import Column
from torch import nn

from mmselfsup.utils.console import console_table, table_text
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap

from ..adaptation import Adaptation
from .finetune_hooks import needs_epochs
from .optimizer_hook import DistOptimizerHook


@HOOKS.register_module()
class AdaptHook(Hook):  # type: ignore[misc]
    """A hook for ``adapt`` of a config, which registers it by itself.

    In the first ``freeze_epochs`` epochs nothing of the backbone changes, so that heads with random
    weights don't spoil it (Kumar et al. 2022, see ``ProbeFirstHook``): gradients are dropped before
    the step, and the statistics of its normalisations, those in target networks included, stay.
    After that the statistics of normalisations stay of which nothing trains.

    Args:
        adaptation: The prepared model.
    """

    def __init__(self, adaptation: Adaptation) -> None:
        self.adaptation = adaptation
        self.epochs = adaptation.settings.freeze_epochs

    def before_run(self, runner: Any) -> None:
        """Log what trains; find the optimizer hook.

        Raises:
            UserError: The backbone can't be frozen for epochs in this run.
        """
        model = unwrap(runner.model)
        table = adaptation_table(model, runner.optimizer, self.adaptation)
        runner.logger.info("adapt: type %s\n%s", self.adaptation.settings.type, table)
        if not self.epochs:
            return
        needs_epochs(runner, self, "set adapt.freeze_epochs=0")
        hooks = [hook for hook in runner.hooks if isinstance(hook, DistOptimizerHook)]
        if not hooks:
            raise UserError(
                "adapt.freeze_epochs needs optimizer_config of type DistOptimizerHook or "
                "GradAccumFp16OptimizerHook"
            )
        self._optimizer_hook = hooks[0]
        if self.epochs >= runner.max_epochs:
            runner.logger.warning(
                "adapt.freeze_epochs=%d of %d epochs: the backbone never trains",
                self.epochs,
                runner.max_epochs,
            )

    def before_train_epoch(self, runner: Any) -> None:
        """Keep the backbone out of the step until the warm-up is over."""
        if self.epochs:
            last = self.epochs * len(runner.data_loader)
            self._optimizer_hook.frozen_layers_cfg[self.adaptation.prefix] = last
            if runner.epoch == self.epochs:
                runner.logger.info("adapt: the backbone trains from this epoch on")

    def before_train_iter(self, runner: Any) -> None:
        """Let statistics stay; the runner calls ``train()`` of the model before."""
        if self.epochs and runner.epoch < self.epochs:
            for network in self.adaptation.networks:
                if network.training:
                    network.eval()
        for norm in self.adaptation.frozen_norms:
            norm.eval()


def adaptation_table(model: nn.Module, optimizer: Any, adaptation: Adaptation) -> str:
    """Return a table: parts of the model, their parameters, how many train, at which rate.

    Args:
        model: The bare model.
        optimizer: Its optimizer, or several by name.
        adaptation: The adaptation; with a layer decay each layer of the backbone has a row.
    """
    several = optimizer.values() if isinstance(optimizer, dict) else [optimizer]
    rates = {id(p): g["lr"] for one in several for g in one.param_groups for p in g["params"]}
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    used: dict[str, set[float]] = defaultdict(set)
    for name, param in model.named_parameters():
        for part in (_part(name, adaptation), "together"):
            rows[part][0] += param.numel()
            if param.requires_grad:
                rows[part][1] += param.numel()
                used[part].add(rates.get(id(param), 0.0))
    rows["together"] = rows.pop("together")
    head = (Column("part"), "parameters", "trained", "share", "learning rate")
    table = console_table(head)
    for part, (total, trained) in rows.items():
        shown = ", ".join(f"{rate:g}" for rate in sorted(used[part])[:4])
        table.add_row(part, f"{total:,}", f"{trained:,}", f"{trained / total:.2%}", shown or "-")
    return table_text(table)


def _part(name: str, adaptation: Adaptation) -> str:
    """Return the row of a parameter."""
    if name not in adaptation.layers:
        return name.partition(".")[0]
    if adaptation.settings.layer_decay in (None, 1):
        return "backbone"
    layer = adaptation.layers[name]
    if layer == 0:
        return "backbone: before the layers"
    last = layer > adaptation.num_layers
    return "backbone: behind the layers" if last else f"backbone: layer {layer}"
