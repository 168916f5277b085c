#!/usr/bin/env bash
# The laboratory: a real VirtualBox on a Debian machine without a kernel driver.
#
#   tests/lab/setup.sh             make it ready; prints the folder of its VBoxManage and VBoxSVC
#   tests/lab/setup.sh --check     say whether it is ready, change nothing
#   tests/lab/setup.sh --bind DIR  make it ready, with DIR visible inside it under the same path
#   tests/lab/setup.sh --remove    remove it
#
# Exit codes: 0 ready (or removed); 1 failed, or with --check: not made yet; 77 it cannot be here. One line on standard
# error says why.
#
# VirtualBox is in Debian sid and needs newer libraries than a stable Debian has, so it lives in a root of its own,
# under ${XDG_CACHE_HOME:-~/.cache}/vboxmcp-lab: about 1.1 GB, made once. Machines start there without a driver,
# through headless.c; their CPU is interpreted.
#
# The root's mounts (/proc, /sys, /dev, /tmp and the test's scratch folder, at the same paths as outside) live in a
# mount namespace of their own, held by the file `mounts/namespace`. Nothing else on the machine sees them, so neither
# a careless `rm -rf` of the cache nor a backup can reach /dev or /tmp through the root. bin/VBoxManage and bin/VBoxSVC
# (enter.c) step into that namespace and the root, and bin/bring takes vboxmcp's native helper along. A restart of the machine loses the namespace; this script makes it
# again. Called twice at once, the second caller waits for the first.
set -euo pipefail
umask 022

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
lab=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vboxmcp-lab
root=$lab/root
bin=$lab/bin
mounts=$lab/mounts
namespace=$mounts/namespace
stamp=$root/.vboxmcp-lab
log=$lab/setup.log

packages=virtualbox,virtualbox-source,ca-certificates
# What the root is made of: any change here makes a new one.
recipe="1 sid $packages $(uname -m)"
# No C library: see enter.c.
bare=(-Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-tree-loop-distribute-patterns -fcf-protection=none)

say() { printf 'lab: %s\n' "$*" >&2; }
cannot() { say "cannot be here: $*"; exit 77; }
fail() { say "$*"; exit 1; }

# -- what is there -----------------------------------------------------------------------------------------------------

possible() {
    [ "$(uname -sm)" = "Linux x86_64" ] || cannot "needs Linux on x86-64"
    command -v dpkg >/dev/null && command -v apt-get >/dev/null && [ -e /etc/debian_version ] || cannot "needs Debian"
    [ "$(id -u)" = 0 ] || cannot "needs root (it uses chroot)"
}

tools_stamp() { { cat "$here/enter.c" "$here/headless.c" && echo "$lab ${bare[*]}"; } | sha256sum | cut -d' ' -f1; }
root_ready() { [ "$(cat "$stamp" 2>/dev/null)" = "$recipe" ]; }
tools_ready() { [ "$(cat "$bin/.stamp" 2>/dev/null)" = "$(tools_stamp)" ]; }
mounts_ready() { [ "$(stat -f -c %T "$namespace" 2>/dev/null)" = nsfs ] && inside mountpoint -q "$root/tmp"; }
inside() { nsenter --mount="$namespace" -- "$@"; }

# Whether a folder is the same one inside the root as outside.
same_inside() { [ "$(stat -L -c %d:%i "$1" 2>/dev/null)" = "$(inside stat -L -c %d:%i "$root$1" 2>/dev/null)" ]; }

# -- how it is made ----------------------------------------------------------------------------------------------------

try() { # tries a command up to four times, its output goes to the log
    local wait
    for wait in 2 5 15 -; do
        "$@" </dev/null >>"$log" 2>&1 && return
        [ "$wait" = - ] || sleep "$wait"
    done
    return 1
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    local missing=()
    command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
    command -v gcc >/dev/null || missing+=(gcc)
    [ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
    command -v mount >/dev/null || missing+=(mount)
    command -v nsenter >/dev/null || missing+=(util-linux)
    [ -e "$(keyring)" ] || missing+=(debian-archive-keyring)
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    local install=(apt-get install -y --no-install-recommends "${missing[@]}")
    "${install[@]}" </dev/null >>"$log" 2>&1 && return
    # No package lists yet, or old ones.
    try apt-get update || cannot "apt-get update failed ($log)"
    try "${install[@]}" || cannot "no ${missing[*]} to be had ($log)"
}

keyring() {
    local folder=/usr/share/keyrings
    if [ -e $folder/debian-archive-keyring.pgp ]; then
        echo $folder/debian-archive-keyring.pgp
    else
        echo $folder/debian-archive-keyring.gpg
    fi
}

# The mirror that this machine itself uses.
mirror() {
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
        awk -F'|' '$1 == "Debian" && $2 == "Debian" && !found { print $3; found = 1 }'
}

in_use() { # whether a process runs in the root $1
    local link
    for link in /proc/[0-9]*/root; do
        [ "$(readlink "$link" 2>/dev/null)" != "$1" ] || return 0
    done
    return 1
}

discard() { # removes old and unfinished roots that nothing runs in
    local old
    for old in "$lab"/root.*; do
        [ -d "$old" ] || continue
        in_use "$old" || rm -rf --one-file-system "$old"
    done
}

unpin() {
    while [ "$(stat -f -c %T "$namespace" 2>/dev/null)" = nsfs ]; do umount "$namespace"; done
    rm -f "$namespace"
}

make_root() {
    local from new=$lab/root.new options=("--aptopt=APT::Install-Recommends \"false\"" "--dpkgopt=force-unsafe-io")
    from=$(mirror)
    if [ -z "$from" ]; then # a new machine may have no package lists yet
        try apt-get update || cannot "apt-get update failed ($log)"
        from=$(mirror)
    fi
    [ -n "$from" ] || cannot "no Debian mirror in this machine's apt sources"
    # Proxy and the settings of a mirror that is a frozen snapshot are the machine's own.
    apt-config dump | grep -iE '^Acquire::(https?::|Check-|Retries)' >"$lab/apt.conf" || true
    options+=("--aptopt=$lab/apt.conf" '--aptopt=Acquire::Retries "3"')

    say "making a root with VirtualBox (1.1 GB, about a minute)"
    build() {
        rm -rf --one-file-system "$new"
        # In a mount namespace of its own: what it mounts goes when it ends, however it ends.
        TMPDIR=/tmp unshare --mount -- mmdebstrap --mode=root --variant=minbase --components=main,contrib --include="$packages" \
            "${options[@]}" sid "$new" "deb [signed-by=$(keyring)] $from sid main contrib"
    }
    try build || { tail -n 5 "$log" >&2; cannot "mmdebstrap failed ($log)"; }
    [ -e "$new/usr/lib/virtualbox/VBoxHeadless.so" ] || fail "this VirtualBox has no VBoxHeadless.so"
    cp -L /etc/resolv.conf "$new/etc/resolv.conf" 2>/dev/null || true
    unpin
    rm -f "$bin/.stamp"
    if [ -d "$root" ]; then mv "$root" "$lab/root.$(date +%s)"; fi
    echo "$recipe" >"$new/${stamp##*/}"
    mv "$new" "$root"
    discard
}

make_tools() {
    local new=$bin/.new name
    mkdir -p "$bin"
    gcc -Wall -s "${bare[@]}" -DNAMESPACE="\"$namespace\"" -DROOT="\"$root\"" -o "$new" "$here/enter.c" >>"$log" 2>&1 ||
        fail "enter.c does not compile ($log)"
    for name in VBoxManage VBoxSVC enter bring; do
        ln -f "$new" "$new.link"
        mv -f "$new.link" "$bin/$name"
    done
    # Says that the native helper has something to load; `bring` says where that is.
    ln -sfn "$root/usr/lib/virtualbox/VBoxXPCOMC.so" "$bin/VBoxXPCOMC.so"
    rm -f "$new"
    gcc -O2 -Wall -o "$root/usr/lib/virtualbox/.new" "$here/headless.c" -ldl >>"$log" 2>&1 ||
        fail "headless.c does not compile ($log)"
    mv -f "$root/usr/lib/virtualbox/.new" "$root/usr/lib/virtualbox/VBoxHeadless"
    tools_stamp >"$bin/.stamp"
}

make_mounts() {
    unpin
    mkdir -p "$mounts"
    mountpoint -q "$mounts" || mount --bind "$mounts" "$mounts" 2>>"$log" || cannot "this machine lets nobody mount"
    mount --make-private "$mounts" # a namespace can be held only on a private mount
    touch "$namespace"
    unshare --mount="$namespace" --propagation slave -- true 2>>"$log" || cannot "no mount namespaces on this machine"
    local folder
    for folder in /proc /sys /dev /tmp; do
        inside mount --rbind "$folder" "$root$folder" 2>>"$log" || { unpin; cannot "cannot mount $folder ($log)"; }
    done
}

bind() { # makes a folder visible inside
    local folder
    folder=$(realpath -e -- "$1") || fail "no folder $1"
    same_inside "$folder" && return
    mkdir -p "$root$folder"
    inside mount --rbind "$folder" "$root$folder" || fail "cannot bind $folder"
}

# -- the commands ------------------------------------------------------------------------------------------------------

command=${1:-}
case $command in
--check)
    possible
    root_ready && tools_ready && mounts_ready || fail "not made yet (run tests/lab/setup.sh)"
    echo "$bin"
    exit
    ;;
--remove | --bind | "") ;;
*) fail "usage: setup.sh [--check | --bind DIR | --remove]" ;;
esac

possible
mkdir -p "$lab"
exec 9>"$lab/lock"
flock 9

if [ "$command" = --remove ]; then
    in_use "$root" && fail "processes still run in it"
    unpin
    while mountpoint -q "$mounts"; do umount "$mounts"; done
    rm -rf --one-file-system "$lab"
    exit
fi

if ! { root_ready && tools_ready && mounts_ready; }; then
    : >"$log"
    install_packages
    root_ready || make_root
    tools_ready || make_tools
    mounts_ready || make_mounts
    "$bin/VBoxManage" --version >>"$log" 2>&1 </dev/null || { tail -n 3 "$log" >&2; fail "VBoxManage does not run"; }
fi
if [ -n "${TMPDIR:-}" ]; then bind "$TMPDIR"; fi
if [ "$command" = --bind ]; then bind "${2:?which folder?}"; fi
echo "$bin"
