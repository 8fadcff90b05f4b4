"""The checkpoint with the best score; the old one is deleted once the new one is complete."""

import os
from contextlib import suppress
from typing import Any

from mmselfsup.utils import dist


def keep_best(hook: Any, runner: Any, score: float) -> None:
    """Save the model if ``score`` beats the best one so far.

    The best score and its file are in ``runner.meta['hook_msgs']``, so that a resumed run has them.

    Args:
        hook: The evaluation hook with its rule (``compare_func``, ``rule``, ``key_indicator``),
            ``out_dir`` and ``by_epoch``.
        runner: The runner of the training.
        score: The metric; nan is never the best.
    """
    messages = runner.meta.setdefault("hook_msgs", {})
    best = messages.get("best_score", hook.init_value_map[hook.rule])
    if not hook.compare_func(score, best):
        return
    unit, number = ("epoch", runner.epoch + 1) if hook.by_epoch else ("iter", runner.iter + 1)
    metric = hook.key_indicator.replace("/", "_")  # details have slashes
    name = f"best_{metric}_{unit}_{number}.pth"
    old, path = messages.get("best_ckpt"), os.path.join(hook.out_dir, name)
    messages.update(best_score=score, best_ckpt=path)
    # The optimizer's state belongs to the trained weights: with averaged weights it is useless.
    averaged = any(hasattr(other, "evaluation_weights") for other in runner.hooks)
    runner.save_checkpoint(
        hook.out_dir, filename_tmpl=name, create_symlink=False, save_optimizer=not averaged
    )
    if old and old != path and dist.is_main():
        with suppress(FileNotFoundError):
            os.unlink(old)
    runner.logger.info("best %s so far: %.4f, saved as %s", hook.key_indicator, score, name)
