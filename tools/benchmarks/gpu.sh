#!/usr/bin/env bash
# Measure everything that needs a GPU, in order of worth, each step under its own time limit. See docs/benchmarks.md.
#   bash tools/benchmarks/gpu.sh --out work_dirs/gpu       on a GPU
#   bash tools/benchmarks/gpu.sh --rehearse                every step in small, on a CPU
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
if [ $# -eq 0 ]; then
    echo "usage: $0 --out DIR | --rehearse   [--help: all options]"
    exit 2
fi
exec "${PYTHON:-python3}" "$HERE/gpu.py" "$@"
