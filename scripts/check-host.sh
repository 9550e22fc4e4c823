#!/bin/sh
# Says in one sentence what this machine lacks, and the command that mends it.
# Usage: check-host.sh PYTHON
python="$1"
if ! command -v "$python" >/dev/null 2>&1; then
  echo "There is no '$python' here: install Python 3.11 (Debian: apt-get install python3.11 python3.11-venv), or name another one: make run PYTHON=/path/to/python3.11" >&2
  exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "LocalAI needs Python 3.11 or newer, and '$python' is $("$python" -c 'import platform; print(platform.python_version())'): name another one: make run PYTHON=python3.11" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "'$python' cannot make virtual environments: install its venv module (Debian: apt-get install python3-venv)" >&2
  exit 1
fi
if ! command -v "${CXX:-c++}" >/dev/null 2>&1; then
  echo "There is no C++ compiler here, and llama.cpp is built from source: install one (Debian: apt-get install build-essential cmake; macOS: xcode-select --install)" >&2
  exit 1
fi
if ! command -v cmake >/dev/null 2>&1; then
  echo "There is no cmake here, and llama.cpp is built with it: install it (Debian: apt-get install cmake; macOS: brew install cmake)" >&2
  exit 1
fi
