#!/usr/bin/env bash
# Run a command on a Slurm cluster of this one machine: slurm.sh COMMAND... As root, with Debian's slurm-wlm and munge.
# The node claims a card and more processors and memory than there may be, so that real requests are granted.
set -euo pipefail
folder=$(mktemp -d)
host=$(hostname -s)
pids=()
linked=
idle() { [[ $(sinfo --noheader --format %T 2> /dev/null) == idle ]]; }
await_idle() { for _ in {1..60}; do ! idle || return 0; sleep 0.5; done; return 1; }
stop() {
  # Jobs first, then the daemons backwards: each waits for those started before it.
  scancel --user root 2> /dev/null && await_idle || true
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[i]}" 2> /dev/null || true
    wait "${pids[i]}" || true
  done
  [[ -z $linked ]] || rm /run/slurm/conf
  rm -r "$folder"
}
trap stop EXIT

mkdir "$folder"/{state,spool}
(umask 077 && head -c 1024 /dev/urandom > "$folder/munge.key")
cat > "$folder/gres.conf" << EOF
Name=gpu File=/dev/null
EOF
cat > "$folder/slurm.conf" << EOF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
MessageTimeout=60
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES State=UP
EOF
# The second is where commands look that are told nothing: jobs of Snakemake lose SLURM_CONF.
export SLURM_CONF=$folder/slurm.conf
[[ -e /run/slurm/conf ]] || rm -f /run/slurm/conf # of a run that was killed
if [[ -e /etc/slurm/slurm.conf ]] || ! { mkdir -p /run/slurm && ln -s "$folder" /run/slurm/conf; }; then
  echo "this machine has a Slurm of its own" >&2
  exit 1
fi
linked=yes

munged --foreground --force --key-file "$folder/munge.key" --socket "$folder/munge.socket" \
  --pid-file "$folder/munge.pid" --seed-file "$folder/munge.seed" > "$folder/munged.log" 2>&1 &
pids+=($!)
for daemon in slurmctld slurmd; do
  $daemon -D > "$folder/$daemon.log" 2>&1 &
  pids+=($!)
done
if ! await_idle; then
  echo "the node does not come up" >&2
  tail "$folder"/*.log >&2
  exit 1
fi
"$@"
