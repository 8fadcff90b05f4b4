"""Let each step of a training on a CPU use the memory of the one before."""

from typing import Any

from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.device import default_device
from mmselfsup.utils.memory_allocator import keep_blocks_apart, keep_freed_memory


@HOOKS.register_module()
class FreedMemoryHook(Hook):  # type: ignore[misc]
    """On a CPU, keep the memory that a step frees for the next step; every training has this hook.

    It sets glibc's allocator for the whole process, and begins with the first iteration: workers
    of the loader have been started by then and keep the allocator as they found it.
    """

    #: Behind the hooks whose first iteration leaves something: optimizer (40), averages (45, 50).
    default_priority = "BELOW_NORMAL"

    def before_run(self, runner: Any) -> None:
        """Wait for the first iteration; on a GPU for ever."""
        self._waits = default_device().type == "cpu"

    def before_train_iter(self, runner: Any) -> None:
        """What the first iteration makes may stay, and lies outside the heap."""
        if self._waits:
            keep_blocks_apart()

    def after_train_iter(self, runner: Any) -> None:
        """What the other iterations make does not stay."""
        if self._waits:
            keep_freed_memory()
        self._waits = False
