"""The step of the build that puts ``configs/``, ``tools/`` and the study's script into the wheel.

They stand in ``mmselfsup/.mim``, where MMSelfSup 0.x had them and where openmim
(``mim train mmselfsup CONFIG``) looks for them; so does ``mmselfsup.utils.repository``.
``pyproject.toml`` names this class.
"""

import shutil
from pathlib import Path

from setuptools.command.build_py import build_py

FOLDERS = ("configs", "tools")
FILES = ("train_SSL_with_finetuning_ISIC2019.sh",)  # `mmselfsup study --help` prints its help


class BuildPy(build_py):
    """The build of the package, with the folders of the repository that openmim needs.

    An editable install has no copies: its package stands beside the folders.
    """

    def run(self) -> None:
        """Build the package, then copy the folders."""
        super().run()
        if self.editable_mode:
            return
        root = Path(__file__).resolve().parents[1]
        target = Path(self.build_lib, "mmselfsup", ".mim")
        shutil.rmtree(target, ignore_errors=True)  # what an earlier build left
        for folder in FOLDERS:
            ignored = shutil.ignore_patterns("__pycache__", "*.py[cod]", ".*")
            shutil.copytree(root / folder, target / folder, ignore=ignored)
        for file in FILES:
            shutil.copy2(root / file, target / file)
