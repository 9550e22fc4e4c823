#!/bin/sh
# What the all-in-one image starts: `localai run` with the profile that PROFILE or LOCALAI_PROFILE
# names, else the one that suits the machine. Words after the image's name are a command or flags.
set -eu
export LOCALAI_PROFILE="${LOCALAI_PROFILE:-${PROFILE:-auto}}"
if ! [ -w "${TMPDIR:-/tmp}" ]; then # a read-only container without a tmpfs there
  export TMPDIR=/data/tmp
  mkdir -p "$TMPDIR"
fi
# pip's CUDA libraries are no system libraries; without them this loop finds nothing.
for folder in /opt/localai/lib/python3*/site-packages/nvidia/*/lib; do
  if [ -d "$folder" ]; then export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"; fi
done
case "${1:-}" in
"" | -*) set -- run "$@" ;;
esac
exec localai "$@"
