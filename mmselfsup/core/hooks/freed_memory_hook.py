"""Reuse of the memory of one training step by the next, on a CPU."""

from typing import Any

from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.device import default_device
from mmselfsup.utils.memory_allocator import keep_blocks_apart, keep_freed_memory


@HOOKS.register_module()
class FreedMemoryHook(Hook):  # type: ignore[misc]
    """A default hook that keeps the memory that a step frees for the next step, on a CPU.

    It sets glibc's allocator for the whole process, from the first iteration on: the workers of the
    loader have been started by then and keep the default allocator.
    """

    #: After hooks that allocate state in the first iteration: optimizer (40), averages (45, 50).
    default_priority = "BELOW_NORMAL"

    def before_run(self, runner: Any) -> None:
        """Wait for the first iteration; on a GPU do nothing at all."""
        self._waits = default_device().type == "cpu"

    def before_train_iter(self, runner: Any) -> None:
        """Let blocks of the first iteration, which may stay, lie outside the heap."""
        if self._waits:
            keep_blocks_apart()

    def after_train_iter(self, runner: Any) -> None:
        """Let the heap keep what later iterations free: none of their blocks stays."""
        if self._waits:
            keep_freed_memory()
        self._waits = False
