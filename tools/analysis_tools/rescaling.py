"""``msvit rescaling`` from a clone of the project."""

import sys

from msvit.cli import main

if __name__ == '__main__':
    sys.exit(main(['rescaling', *sys.argv[1:]]))
