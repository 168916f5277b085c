#!/bin/sh
# The kill report: vboxmcp, its VBoxManage and VBoxSVC are killed while a lab is applied and destroyed on a real VirtualBox,
# and the run after each must leave nothing lost, orphaned, duplicated, or changed that is somebody else's.
#
#   tests/lab/kills.sh [KILLS [SEED]]     300 kills where no number is given
set -eu
cd "$(dirname "$0")/../.."
VBOXMCP_KILLS=${1:-300} VBOXMCP_KILLS_SEED=${2:-$(date +%s)} exec cargo test --quiet --test lab -- kills::
