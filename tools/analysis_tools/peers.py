"""``msvit peers`` from a clone of the project."""

import sys

from msvit.cli import main

if __name__ == '__main__':
    sys.exit(main(['peers', *sys.argv[1:]]))
