"""Each pipeline of ``configs/`` has one home, from which the configs that use it take it."""

import ast
from collections import defaultdict
from pathlib import Path

CONFIGS = Path(__file__).parents[2] / "configs"
#: Shorter pipelines (resize, crop, to tensor, normalise) are as quickly read as found.
MIN_TRANSFORMS = 5
#: The crops of another config with a mask at the end of the large ones: a config file can't add to
#: a list of its base.
WITH_MASK = ("_ibot_", "_dinov2_")


def written_pipelines(path: Path) -> list[str]:
    """Return the long lists of transforms that a config file writes out."""
    lists = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.List))
    return [
        ast.dump(node)
        for node in lists
        if len(node.elts) >= MIN_TRANSFORMS
        and all(isinstance(item, ast.Call | ast.Starred) for item in node.elts)
    ]


def test_no_pipeline_is_written_twice() -> None:
    homes = defaultdict(list)
    for path in sorted(CONFIGS.rglob("*.py")):
        if any(name in path.name for name in WITH_MASK):
            continue
        for pipeline in written_pipelines(path):
            homes[pipeline].append(str(path.relative_to(CONFIGS)))
    assert len(homes) > 10
    assert [files for files in homes.values() if len(files) > 1] == []
