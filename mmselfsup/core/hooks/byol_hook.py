"""The momentum hook under the module and class name it had in MMSelfSup v0.5.0."""

from .momentum_update_hook import MomentumUpdateHook

BYOLHook = MomentumUpdateHook

__all__ = ["BYOLHook"]
