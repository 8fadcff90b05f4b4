"""The clustering of DeepCluster v2 before each epoch."""

from typing import Any

import torch
from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.device import to_device
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import batches_from, module_device, set_epoch, unwrap
from mmselfsup.utils.seed import rng_untouched

from .finetune_hooks import needs_epochs


@HOOKS.register_module()
class DeepClusterV2Hook(Hook):  # type: ignore[misc]
    """A hook that clusters the features that the head kept in the last epoch.

    Caron et al. 2020, appendix. Before the first epoch, a pass over the training images fills the
    head's banks, in training mode and without gradients. An image that a pass leaves out
    (``drop_last``) keeps its row. All state is in the head, so a resumed run clusters where the
    other one did, and not again inside an epoch. A run that starts from the weights of another one
    (``load_from``) fills its own banks, as those in the file are of other images or weights.

    Raises:
        UserError: Before the first iteration: the model has no such head, or the runner counts
            iterations only.
    """

    def before_run(self, runner: Any) -> None:
        """Check that the model has what is to be clustered; a new run has no clusters yet."""
        needs_epochs(runner, self)
        model: Any = unwrap(runner.model)
        if not hasattr(getattr(model, "head", None), "clustered_epoch"):
            raise UserError(
                "custom_hooks: DeepClusterV2Hook needs DeepClusterV2Head in the model, which "
                f"{type(model).__name__} doesn't have"
            )
        if runner.epoch == 0 and runner.iter == 0:  # not resumed
            model.head.clustered_epoch.fill_(-1)

    def before_train_epoch(self, runner: Any) -> None:
        """Fill the banks where they are new, and cluster unless it is done for this epoch."""
        model: Any = unwrap(runner.model)
        done = int(model.head.clustered_epoch)
        if done == runner.epoch:
            return
        if done < 0:
            self._fill(runner.data_loader, model)
            # A sampler counts its passes: the epoch shall have its own order and views.
            set_epoch(runner.data_loader, runner.epoch)
        # Of the checkpoint, where the run is resumed.
        seed = (getattr(runner, "meta", None) or {}).get("seed")
        model.head.cluster(runner.epoch, seed or 0)
        empty = [
            int((torch.bincount(labels, minlength=layer.out_features) == 0).sum())
            for labels, layer in zip(
                model.head.assignments, model.head.prototypes.children(), strict=True
            )
        ]
        runner.logger.info("DeepClusterV2Hook: empty clusters of each clustering: %s", empty)

    def _fill(self, loader: Any, model: Any) -> None:
        """Put the projections of all training images into the banks, of views that no epoch has."""
        device = module_device(model)
        set_epoch(loader, -1)
        with rng_untouched():  # the workers of a loader draw a seed
            for batch in batches_from(loader, 0):
                model.remember(**to_device(batch, device))
