#!/usr/bin/env bash
# tests/guests.sh DIR: fetches the guests that tests/cli boots, on Debian or Ubuntu, as any user. Nothing is installed.
#
#   DIR/vmlinuz-cloud, vmlinuz-generic, vmlinuz-rt    the distribution's kernels, unmodified
#   DIR/vmlinuz-newer                                 one of 6.4 or later, where the package lists have one
#   DIR/dummy-NAME.ko                                 a module of each
#   DIR/busybox                                       static
#   DIR/batch.gz                                      runs a few commands, then ends as the kernel command line says
#   DIR/shell.gz                                      an interactive shell on the console
#   DIR/facts.gz                                      tests/guest/facts.c: makes processes, prints /proc, ends as it stands
#
# Files that are there already are kept, so a second run needs no network. Needs apt-get, dpkg-deb, cpio, gzip, xz, gcc.
set -euo pipefail
source_dir=$(cd "$(dirname "$0")" && pwd)
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

# The newest package of a kernel that is newer than the distribution's own; only some releases have one.
newer_package() {
  apt-cache pkgnames linux-image-6. | grep -E '^linux-image-6\.([4-9]|1[0-9])\..*-cloud-amd64(-unsigned)?$' | sort -V | tail -n 1
}

# kernel NAME PACKAGE: takes only the image and one module out of the package.
kernel() {
  local name=$1 package=$2 deb
  [ ! -s "vmlinuz-$name" ] || [ ! -s "dummy-$name.ko" ] || return 0
  [ -n "$package" ] || { echo "tests/guests.sh: the package lists have no kernel \"$name\"; run apt-get update" >&2; exit 1; }
  deb=$(download "$package")
  dpkg-deb --fsys-tarfile "$deb" | tar -x --wildcards --to-stdout './boot/vmlinuz-*' > "vmlinuz-$name.new"
  # Later kernels have compressed modules.
  dpkg-deb --fsys-tarfile "$deb" | tar -x --wildcards --to-stdout '*/drivers/net/dummy.ko*' > "dummy-$name.new"
  xz -dc < "dummy-$name.new" > "dummy-$name.ko" 2> /dev/null || cp "dummy-$name.new" "dummy-$name.ko"
  rm "dummy-$name.new"
  mv "vmlinuz-$name.new" "vmlinuz-$name"
  rm -r "$(dirname "$deb")"
  echo "vmlinuz-$name: $package" >> versions
}

# initrd NAME [FILE PLACE]...: busybox, the /init on standard input, and the files, the same bytes every time.
initrd() {
  local name=$1
  shift
  rm -rf root
  mkdir -p root/{bin,proc,sys,dev,tmp,lib,work}
  cp busybox root/bin/busybox
  while [ $# -gt 0 ]; do
    cp "$1" "root/$2"
    shift 2
  done
  cat > root/init
  chmod 755 root/init
  find root -exec touch -h -d @0 {} +
  (cd root && find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible -R 0:0) | gzip -n > "$name.new"
  mv "$name.new" "$name"
  rm -r root
}

kernel cloud "$(kernel_package linux-image-cloud-amd64)"
kernel generic "$(kernel_package linux-image-amd64)"
kernel rt "$(kernel_package linux-image-rt-amd64)"
newer=$(newer_package)
if [ -n "$newer" ]; then
  kernel newer "$newer"
fi

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

gcc -std=gnu11 -Wall -Wextra -O1 -static -pthread -o facts "$source_dir/guest/facts.c"
modules=()
for module in dummy-*.ko; do
  modules+=("$module" "lib/$(grep -az '^vermagic=' "$module" | tr '\0' ' ' | cut -d = -f 2 | cut -d ' ' -f 1).ko")
done
initrd facts.gz facts bin/facts "${modules[@]}" <<END
$prepare
mount -t tmpfs work /work
ip link set lo up
insmod /lib/\$(uname -r).ko
exec facts --opt 'two words' ''
END
