"""The steps of ODC between iterations: centroids, small clusters, weights of the loss."""

from typing import Any, Protocol

from mmcv.runner import HOOKS, Hook
from torch import Tensor

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap

from ..clustering import Labels, report_sizes


class ClusterMemory(Protocol):
    """What the hook needs of ``model.memory_bank``, which is an ``ODCMemory`` for example."""

    initialized: bool
    label_bank: Tensor
    num_classes: int

    def update_centroids_memory(self) -> None:
        """Set the centroids to the means of their clusters."""

    def deal_with_small_clusters(self) -> None:
        """Empty and refill clusters with few samples."""

    def synchronise(self) -> None:
        """Copy the memory of the first rank to all ranks."""


@HOOKS.register_module()
class ODCHook(Hook):  # type: ignore[misc]
    """The steps of ODC after the optimizer's (Zhan et al. 2020, sections 3.2 and 3.3).

    Args:
        centroids_update_interval: Iterations from one update of the centroids to the next.
        deal_with_small_clusters_interval: Iterations from one search for small clusters to the
            next.
        evaluate_interval: Iterations from one log line about the sizes of clusters to the next.
        reweight: Whether to weight clusters in the loss by their size to the power of
            ``-reweight_pow``.
        reweight_pow: See ``reweight``.
        dist_mode: Unused: one process and several are treated alike.
    """

    #: The memory that the error asks for.
    memory_type = "ODCMemory"

    def __init__(
        self,
        centroids_update_interval: int,
        deal_with_small_clusters_interval: int,
        evaluate_interval: int,
        reweight: bool,
        reweight_pow: float,
        dist_mode: bool = True,
    ) -> None:
        self.centroids_update_interval = centroids_update_interval
        self.deal_with_small_clusters_interval = deal_with_small_clusters_interval
        self.evaluate_interval = evaluate_interval
        self.reweight, self.reweight_pow = reweight, reweight_pow

    def before_train_epoch(self, runner: Any) -> None:
        """Check that the memory is filled; weight the clusters by their sizes in it.

        Raises:
            UserError: The memory is empty.
        """
        if not self._memory(runner).initialized:
            raise UserError(
                "the memory of ODC is empty: put DeepClusterHook with init_memory=True into "
                "custom_hooks"
            )
        self._weigh(runner)

    def after_train_iter(self, runner: Any) -> None:
        """Update centroids, small clusters and weights, and log sizes, each at its interval."""
        memory = self._memory(runner)
        if self.every_n_iters(runner, self.centroids_update_interval):
            memory.update_centroids_memory()
        if self.every_n_iters(runner, self.deal_with_small_clusters_interval):
            memory.deal_with_small_clusters()
        # In every iteration, because samples change their clusters in every iteration.
        self._weigh(runner)
        if self.every_n_iters(runner, self.evaluate_interval):
            self.evaluate(runner, memory.label_bank.cpu().numpy())

    def after_train_epoch(self, runner: Any) -> None:
        """Make the memories of all ranks bitwise equal."""
        self._memory(runner).synchronise()

    def evaluate(self, runner: Any, new_labels: Labels) -> None:
        """Log the sizes of the clusters."""
        report_sizes(runner, new_labels, self._memory(runner).num_classes)

    def _weigh(self, runner: Any) -> None:
        if self.reweight:
            model: Any = unwrap(runner.model)
            model.set_reweight(reweight_pow=self.reweight_pow)

    def _memory(self, runner: Any) -> ClusterMemory:
        memory = getattr(unwrap(runner.model), "memory_bank", None)
        if memory is None or not hasattr(memory, "deal_with_small_clusters"):
            name, kind = type(self).__name__, self.memory_type
            raise UserError(f"{name}: the model has no memory_bank of type {kind}")
        return memory  # type: ignore[return-value]
