"""Necks: projections between a backbone and a head."""

from .avgpool2d_neck import AvgPool2dNeck
from .linear_neck import LinearNeck
from .nonlinear_neck import NonLinearNeck

__all__ = ["AvgPool2dNeck", "LinearNeck", "NonLinearNeck"]
