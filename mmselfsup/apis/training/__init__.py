"""From a config to a running training: its model, runner, hooks, settings and start."""
