"""``msvit convert`` from a clone of the project."""

import sys

from msvit.cli import main

if __name__ == '__main__':
    sys.exit(main(['convert', *sys.argv[1:]]))
