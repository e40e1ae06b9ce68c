#!/usr/bin/env bash
# Train on several GPUs of one machine (or of several: NNODES, NODE_RANK, MASTER_ADDR, PORT).
#   bash tools/dist_train.sh CONFIG GPUS [arguments of train.py]
set -eu
if [ $# -lt 2 ] || [ "$1" = '--help' ]; then
    echo "usage: $0 CONFIG GPUS [arguments of train.py]"
    [ "${1:-}" = '--help' ] && exit 0 || exit 2
fi
CONFIG=$1
GPUS=$2
shift 2
TOOLS=$(cd "$(dirname "$0")" && pwd)

PYTHONPATH="$TOOLS/../projects${PYTHONPATH:+:$PYTHONPATH}" "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$GPUS" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$TOOLS/train.py" "$CONFIG" --launcher pytorch "$@"
