#!/usr/bin/env bash
# The official Python SDK of the Model Context Protocol, in a virtual environment of its own.
#
#   tests/python_sdk/setup.sh      make it ready; prints the path of its Python
#
# It is kept under ${XDG_CACHE_HOME:-~/.cache}/vboxmcp-lab/python-sdk-DIGEST, made once for each requirements.txt. Exit codes: 0 ready;
# 1 failed; 77 it cannot be here (no Python 3.10 or later that can make virtual environments, no packages). One line on standard error says why.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
digest=$(sha256sum <"$here/requirements.txt" | cut -c1-12)
folder=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vboxmcp-lab/python-sdk-$digest

if [ -e "$folder/ready" ]; then
    echo "$folder/bin/python"
    exit 0
fi
if ! python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "python_sdk: there is no Python 3.10 or later with venv and ensurepip" >&2
    exit 77
fi
# What a killed run left behind is no environment.
rm -rf -- "$folder"
python3 -m venv "$folder" >&2
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
    --requirement "$here/requirements.txt" >&2 || {
    echo "python_sdk: the packages of tests/python_sdk/requirements.txt are not to be had" >&2
    exit 77
}
touch "$folder/ready"
echo "$folder/bin/python"
