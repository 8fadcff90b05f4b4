"""What a greedy curriculum is made of: two of the same make are one recipe, whatever they chose."""

from __future__ import annotations

from typing import Any

from .. import configs
from ..plan import Plan


def greedy_facts(plan: Plan) -> dict[str, Any] | None:
    """Describe what a greedy curriculum was made of; None where the order was given."""
    settings = plan.settings
    if settings.min_gain is None:
        return None
    tasks = [plan.sequence((name,)) for name in settings.ssl_configs]
    return {
        "min_gain": settings.min_gain,
        "tasks": {
            task.name: {
                "config": plan.relative(task.config),
                "epochs": task.epochs,
                "cfg_options": list(task.options),
                "config_sha256": configs.digest(task.cfg),
            }
            for task in tasks
        },
    }
