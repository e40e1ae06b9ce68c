"""``msvit masks`` from a clone of the project."""

import sys

from msvit.cli import main

if __name__ == '__main__':
    sys.exit(main(['masks', *sys.argv[1:]]))
