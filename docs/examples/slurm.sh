#!/usr/bin/env bash
# Run on several nodes: Ray on all of them, the driver on the first. Submit with `sbatch slurm.sh`. Submit it again to
# resume the run (after a time limit, a lost node or a canceled job).
#SBATCH --job-name=cambrian-eval
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --output=cambrian-eval-%j.log
set -euo pipefail

MODEL="${MODEL:-nyu-visionx/cambrian-8b}"
RUN="${RUN:-$SLURM_SUBMIT_DIR/runs/cambrian-8b}"
PORT="${PORT:-6379}"

# Access to the cluster needs this token. It is made for this job and passed on in the environment.
umask 077
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN="$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')"
export RAY_AUTH_TOKEN
export RAY_USAGE_STATS_ENABLED=0

mapfile -t NODES < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
HEAD="${NODES[0]}"
HEAD_ADDRESS="$(srun --nodes=1 --ntasks=1 --nodelist="$HEAD" hostname --ip-address | awk '{print $1}')"

# Run this once on a node with internet; the compute nodes open no connection (--offline).
# cambrian-eval fetch all --model "$MODEL"

srun --nodes=1 --ntasks=1 --nodelist="$HEAD" \
  ray start --head --node-ip-address="$HEAD_ADDRESS" --port="$PORT" --include-dashboard=false \
  --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="$SLURM_GPUS_ON_NODE" --block &
sleep 20
if [ "${#NODES[@]}" -gt 1 ]; then
  srun --nodes="$((${#NODES[@]} - 1))" --ntasks="$((${#NODES[@]} - 1))" --exclude="$HEAD" \
    ray start --address="$HEAD_ADDRESS:$PORT" \
    --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="$SLURM_GPUS_ON_NODE" --block &
fi

# The driver: one process on the first node. On TERM, which SLURM sends three minutes before the limit, it finishes and
# stores the in-flight requests.
srun --overlap --nodes=1 --ntasks=1 --nodelist="$HEAD" \
  cambrian-eval run --model "$MODEL" --benchmark all --vision on,off --out "$RUN" \
  --engine ray --ray-address "$HEAD_ADDRESS:$PORT" --gpus-per-replica 1 --offline --quiet &
DRIVER=$!
trap 'kill -TERM "$DRIVER"' TERM
set +e
wait "$DRIVER"
CODE=$?
if kill -0 "$DRIVER" 2>/dev/null; then # the signal ended the first `wait`, not the driver
  wait "$DRIVER"
  CODE=$?
fi
exit "$CODE"
