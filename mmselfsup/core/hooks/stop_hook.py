"""The end of a training before its time, with a checkpoint: a signal asks for it, or an error.

A signal is obeyed after a step on all ranks. After an error the first rank saves alone.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmcv.runner import HOOKS, Hook, LoggerHook

from mmselfsup.utils import dist, signals
from mmselfsup.utils.dist import is_main, on_main
from mmselfsup.utils.errors import STOPPED, Stopped, UserError, one_line

from ..checkpoint import STOPPED_FILE
from ..runner.log_buffer import NonFiniteLossError
from .checkpoint_hook import CheckpointHook
from .finetune_hooks import counts_epochs
from .logging_hooks import ProgressBarHook
from .optimizer_hook import ends_step, interval_of_steps

_SECONDS = 1.0  # from one question of the ranks to the next, about
_MOST_STEPS = 1000


class StopVote:
    """Agreement of all ranks on the step after which they stop, without a collective.

    A signal may reach one rank only, and the ranks may be in different steps then. So they ask at
    the same steps: the first rank writes into the store of the process group whether anyone wants
    to stop and in how many steps the next question is, the others read that. The distance follows
    the speed of the first rank, about a second.

    A step without a question costs nothing, a question a few messages between CPUs: nothing waits
    for a GPU. A rank that asks before the first rank has written waits for it; the first rank never
    waits for others, and gets there because every rank has started what it needs from it. A
    collective of all ranks must follow before the first one ends.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self.seconds = seconds
        self._step = self._asked_at = self._number = 0
        self._next = 1
        self._since = time.monotonic()
        self._told = False

    def __call__(self, wanted: str | None, now: bool = False) -> str | None:
        """Return why all ranks stop after this step; None: they go on.

        Args:
            wanted: Why this rank wants to stop, None if it doesn't.
            now: Ask in any case; the same on all ranks.
        """
        if dist.get_world_size() == 1:
            return wanted
        self._step += 1
        if wanted and not self._told:
            dist.get_store().set("stop", wanted)
            self._told = True
        return self._ask() if now or self._step >= self._next else None

    def _ask(self) -> str | None:
        """Return the answer of the first rank, and note when to ask again."""
        store = dist.get_store()
        self._number += 1
        key = f"question{self._number}"
        if is_main():
            reason = store.get("stop").decode() if store.check(["stop"]) else ""
            store.set(key, f"{self._distance()} {reason}")
        answer = store.get(key).decode()
        if store.add(f"{key}/read", 1) == dist.get_world_size():  # nobody needs it any more
            store.delete_key(key)
            store.delete_key(f"{key}/read")
        distance, _, reason = answer.partition(" ")
        self._next, self._asked_at = self._step + int(distance), self._step
        self._since = time.monotonic()
        return reason or None

    def _distance(self) -> int:
        """Return how many steps the first rank makes in the wanted time."""
        one = (time.monotonic() - self._since) / (self._step - self._asked_at)
        return int(min(max(self.seconds / max(one, 1e-9), 1), _MOST_STEPS))


@HOOKS.register_module()
class StopHook(Hook):  # type: ignore[misc]
    """A hook that ends the training where a signal asks for it (``utils/signals.py``).

    After a step of the optimizer or the end of an epoch it writes ``stopped.pth``, with
    ``latest.pth`` pointing to it, and ends the process with the exit code 75. The next regular
    checkpoint removes the file. Nothing is written where the checkpoint of this state exists. A run
    that is complete but for its end is not stopped. Evaluation and clustering are not interrupted.

    Register it after the checkpoint hook.

    Raises:
        Stopped: On all ranks, after the same step.
    """

    default_priority = "LOWEST"

    def __init__(self) -> None:
        self.vote = StopVote()
        self._saved: dict[str, int] | None = None
        self._interval = 1

    def before_run(self, runner: Any) -> None:
        """Find how many iterations a step of the optimizer takes."""
        self._interval = interval_of_steps(runner, self, None)

    def after_checkpoint(self, runner: Any) -> None:
        """Note the state of which there is a checkpoint now."""
        self._saved = runner._progress()

    def after_train_iter(self, runner: Any) -> None:
        """Stop after a step; in between, gradients are added up that no checkpoint has."""
        is_last = not counts_epochs(runner) and runner.iter + 1 == runner.max_iters
        if is_last or not ends_step(runner, self._interval):
            return
        reason = self.vote(signals.requested())
        if reason:
            self._stop(runner, reason)

    def after_train_epoch(self, runner: Any) -> None:
        """Stop before what begins an epoch, which may take long."""
        # No question at the end: the first rank, which may have the store, might leave before the
        # others have read the answer.
        if runner.epoch + 1 >= runner.max_epochs or runner.iter % self._interval:
            return
        reason = self.vote(signals.requested(), now=True)
        if reason:
            self._stop(runner, reason)

    def _stop(self, runner: Any, reason: str) -> None:
        """Write the checkpoint, say so, close the logs."""
        dist.barrier()  # all have read the answer
        progress = runner._progress()
        file = "the last checkpoint" if self._saved == progress else save_stopped(runner)
        runner.logger.warning(
            "stopped by %s after %d iterations: %s has this state, the same command with "
            "--auto-resume continues (exit code %d)",
            reason,
            progress["iter"],
            file,
            STOPPED,
        )
        for hook in runner.hooks:
            if isinstance(hook, LoggerHook | ProgressBarHook):
                hook.after_run(runner)
        raise Stopped


def save_stopped(runner: Any) -> str:
    """Write a checkpoint of this state, the backbone too; return its path. A collective."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and "://" not in hook.out_dir:
            return hook.save_stopped(runner)
    runner.log_buffer.check()
    options = dict(filename_tmpl=STOPPED_FILE, create_symlink=True)
    with runner.state_of_all_ranks():
        on_main(lambda: runner.save_checkpoint(runner.work_dir, **options))
    return f"{runner.work_dir}/{STOPPED_FILE}"


@contextmanager
def kept_on_error(runner: Any) -> Iterator[None]:
    """Keep what is trained where an error ends the run inside the block: ``stopped.pth``.

    The checkpoint has the state after the optimizer's last step, and ``latest.pth`` points to it.
    Nothing is written where no step was made, where a checkpoint has this state already, or after
    a loss that is not finite. An error of the writing is only logged.
    """
    start = runner.iter
    try:
        yield
    except NonFiniteLossError:
        raise
    except Exception:
        if is_main() and runner.work_dir:
            _save_on_error(runner, start)
        raise


def _save_on_error(runner: Any, start: int) -> None:
    """Write the checkpoint of ``kept_on_error``; ``start``: iterations before this run."""
    writer = next((h for h in runner.hooks if isinstance(h, CheckpointHook)), None)
    if writer is None or writer.out_dir is None or "://" in writer.out_dir:
        return
    with runner.as_after_last_step():
        progress = runner._progress()
        if progress["iter"] <= start or any(_has_saved(h, progress) for h in runner.hooks):
            return
        try:
            file = writer.save_on_error(runner)
        except (OSError, RuntimeError, UserError) as error:
            runner.logger.error("the state before the error can't be saved: %s", one_line(error))
            return
    runner.logger.error(
        "the training ends by an error after %d iterations: %s has this state; once the cause is "
        "mended, the same command with --auto-resume continues",
        progress["iter"], file,
    )  # fmt: skip


def _has_saved(hook: Any, progress: dict[str, int]) -> bool:
    """Return whether there is a checkpoint after as many iterations."""
    saved = hook._saved if isinstance(hook, StopHook) else None
    return saved is not None and saved["iter"] == progress["iter"]
