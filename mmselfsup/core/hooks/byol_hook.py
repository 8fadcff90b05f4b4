"""The momentum hook under its module and class name of MMSelfSup 0.5.0."""

from .momentum_update_hook import MomentumUpdateHook

BYOLHook = MomentumUpdateHook

__all__ = ["BYOLHook"]
