"""Run the ISIC-2019 study; train_SSL_with_finetuning_ISIC2019.sh calls it and has its help."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run the study; return the exit status."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        from signal import SIG_DFL, SIGPIPE
        from signal import signal as set_handler

        from mmselfsup.isic.study_data import ISIC_2019

        # The script documents the variables of the environment too; a second text would get stale.
        sys.stdout.flush()
        # Python ignores the signal of a pipe that nobody reads, and bash would inherit this.
        set_handler(SIGPIPE, SIG_DFL)
        os.execvp("bash", ["bash", str(ROOT / ISIC_2019.program), "--help"])

    from mmselfsup.study.cli import parse
    from mmselfsup.utils.repository import study_root

    root = study_root(ROOT)
    request = parse(sys.argv[1:], os.environ, root)
    os.chdir(root)  # the printed commands have paths relative to it

    from mmselfsup.study.pipeline import run_sweep

    run_sweep(request)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: forks need a single thread
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.path.insert(0, str(ROOT))

    from mmselfsup.utils.errors import run_cli

    run_cli(main)
