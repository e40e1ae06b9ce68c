#!/usr/bin/env bash
# Train on a Slurm cluster. GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS set its size.
#   bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of train.py]
set -eu
if [ $# -lt 3 ] || [ "$1" = '--help' ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG [arguments of train.py]"
    [ "${1:-}" = '--help' ] && exit 0 || exit 2
fi
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
shift 3
GPUS=${GPUS:-8}
TOOLS=$(cd "$(dirname "$0")" && pwd)

# SRUN_ARGS holds several arguments: it is split on purpose.
# shellcheck disable=SC2086
PYTHONPATH="$TOOLS/../projects${PYTHONPATH:+:$PYTHONPATH}" srun -p "$PARTITION" --job-name="$JOB_NAME" \
    --gres=gpu:"${GPUS_PER_NODE:-$GPUS}" --ntasks="$GPUS" --ntasks-per-node="${GPUS_PER_NODE:-$GPUS}" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$TOOLS/train.py" "$CONFIG" --launcher slurm "$@"
