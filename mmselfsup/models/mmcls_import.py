"""The import of mmcls without timm, which costs half a second and is rarely used.

mmcls imports timm for a wrapper that ``backbones/timm_backbone.py`` replaces. Import this module
before any part of mmcls.
"""

import sys

if "timm" in sys.modules:
    import mmcls.models
else:
    sys.modules["timm"] = None  # type: ignore[assignment]  # then its import fails, as mmcls allows
    try:
        import mmcls.models  # noqa: F401
    finally:
        del sys.modules["timm"]
