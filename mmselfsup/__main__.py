"""``python -m mmselfsup``: the command ``mmselfsup``."""

from mmselfsup.cli import main

if __name__ == "__main__":
    main()
