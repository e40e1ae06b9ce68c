#!/usr/bin/env bash
# Evaluate on several GPUs of one machine (or of several: NNODES, NODE_RANK, MASTER_ADDR, PORT).
#   bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
set -eu
if [ $# -lt 3 ] || [ "$1" = '--help' ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of test.py]"
    [ "${1:-}" = '--help' ] && exit 0 || exit 2
fi
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
shift 3
TOOLS=$(cd "$(dirname "$0")" && pwd)

PYTHONPATH="$TOOLS/../projects${PYTHONPATH:+:$PYTHONPATH}" "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$GPUS" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$TOOLS/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
