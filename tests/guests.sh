#!/usr/bin/env bash
# tests/guests.sh DIR: fetches the guests that tests/cli/debian.rs boots, on Debian or Ubuntu, as any user. Nothing is installed.
#
#   DIR/vmlinuz-cloud, vmlinuz-generic, vmlinuz-rt    the distribution's kernels, unmodified
#   DIR/busybox                                       static
#   DIR/batch.gz                                      runs a few commands, then ends as the kernel command line says
#   DIR/shell.gz                                      an interactive shell on the console
#
# Files that are there already are kept, so a second run needs no network. Needs apt-get, dpkg-deb, cpio, gzip.
set -euo pipefail
mkdir -p "${1:?usage: tests/guests.sh DIR}"
cd "$1"

# Downloads package $1 into an empty directory and prints the .deb's path.
download() {
  local into
  into=$(mktemp -d "$PWD/deb.XXXXXX")
  # apt's own sandbox user cannot write here; run it as whoever this is.
  (cd "$into" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$1") >&2 ||
    { echo "tests/guests.sh: cannot download $1; run apt-get update, and check that the sources have it" >&2; exit 1; }
  echo "$into"/*.deb
}

# The kernel package that meta package $1 stands for.
kernel_package() {
  apt-cache depends "$1" 2>/dev/null | awk '/Depends: linux-image-[0-9]/ { print $2; exit }'
}

# kernel NAME META: takes only the image out of the package.
kernel() {
  local name=$1 package deb
  [ ! -s "vmlinuz-$name" ] || return 0
  package=$(kernel_package "$2")
  [ -n "$package" ] || { echo "tests/guests.sh: the package lists have no $2; run apt-get update" >&2; exit 1; }
  deb=$(download "$package")
  dpkg-deb --fsys-tarfile "$deb" | tar -x --wildcards --to-stdout './boot/vmlinuz-*' > "vmlinuz-$name.new"
  mv "vmlinuz-$name.new" "vmlinuz-$name"
  rm -r "$(dirname "$deb")"
  echo "vmlinuz-$name: $package" >> versions
}

# initrd NAME: busybox and the /init on standard input, the same bytes every time.
initrd() {
  rm -rf root
  mkdir -p root/{bin,proc,sys,dev,tmp}
  cp busybox root/bin/busybox
  cat > root/init
  chmod 755 root/init
  find root -exec touch -h -d @0 {} +
  (cd root && find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible -R 0:0) | gzip -n > "$1.new"
  mv "$1.new" "$1"
  rm -r root
}

kernel cloud linux-image-cloud-amd64
kernel generic linux-image-amd64
kernel rt linux-image-rt-amd64

if [ ! -x busybox ]; then
  deb=$(download busybox-static)
  dpkg-deb --fsys-tarfile "$deb" | tar -x --to-stdout ./bin/busybox > busybox
  chmod 755 busybox
  rm -r "$(dirname "$deb")"
fi

# What both start with. An unknown word NAME=VALUE of the kernel command line is an environment variable here.
prepare='#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
echo "SHELL on $(uname -sm)"
'

initrd batch.gz <<END
$prepare
echo "sum \$((6 * 7))"
echo "words \$(echo one two three | wc -w)"
seq 1 2000 | sort -r | md5sum
seq 1 500 > /tmp/n; gzip /tmp/n; zcat /tmp/n.gz | tail -n 1
echo "memory \$((\$(awk '/MemTotal/ { print \$2 }' /proc/meminfo) / 1024 / 32 * 32)) MiB"
(exit 3); echo "status \$?"
sleep 1
echo "DONE"
exec \${end:-poweroff} -f
END

initrd shell.gz <<END
$prepare
exec setsid cttyhack sh
END
