#!/bin/sh
# What the all-in-one image starts: `localai run` with the profile that LOCALAI_PROFILE or PROFILE
# names, else the one of a --config file, else the one that suits the machine; an empty variable means
# none of its own. Words after the image's name are a command or flags.
set -eu
if [ -z "${LOCALAI_PROFILE+set}" ]; then
  if [ -z "${PROFILE+set}" ]; then
    export PROFILE=auto # counts after a file
  elif [ -n "$PROFILE" ]; then
    export LOCALAI_PROFILE="$PROFILE" # so that a name which nobody knows is told
  fi
fi
if ! [ -w "${TMPDIR:-/tmp}" ]; then # a read-only container without a tmpfs there
  export TMPDIR=/data/tmp
  mkdir -p "$TMPDIR"
fi
# pip's CUDA libraries are no system libraries; without them this loop finds nothing. The image's own
# are as new as llama.cpp needs them, and so come first.
for folder in /opt/localai/lib/python3*/site-packages/nvidia/*/lib /usr/local/cuda/lib64; do
  if [ -d "$folder" ]; then export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"; fi
done
case "${1:-}" in
"" | -*) set -- run "$@" ;;
esac
exec localai "$@"
