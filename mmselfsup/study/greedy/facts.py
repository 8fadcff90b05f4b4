"""The settings of a greedy curriculum: equal ones are in one group, whatever they chose."""

from __future__ import annotations

from typing import Any

from mmselfsup.config.inspect import config_digest

from ..plan import ResolvedStudy


def greedy_facts(study: ResolvedStudy) -> dict[str, Any] | None:
    """Describe the tasks that a greedy curriculum chooses from; None if the order was given."""
    settings = study.settings
    if settings.min_gain is None:
        return None
    tasks = [study.sequence((name,)) for name in settings.ssl_configs]
    return {
        "min_gain": settings.min_gain,
        "tasks": {
            task.name: {
                "config": study.relative(task.config),
                "epochs": task.epochs,
                "cfg_options": list(task.options),
                "config_sha256": config_digest(task.cfg),
            }
            for task in tasks
        },
    }
