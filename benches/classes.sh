#!/usr/bin/env bash
# benches/classes.sh DIR [RUNS]: times classes of programs that loop counts do not speak for (benches/classes/: floating point, waiting for
# memory, an interpreter), and any other C file named in PROGRAMS, beside QEMU recording the same guest and beside the same program on this
# host. A program's own time in the guest is what three times the work take longer than one, halved: boot and shutdown drop out.
# DIR holds vmlinuz and x-busybox-static/bin/busybox (a static busybox). Needs gcc, cpio, qemu-system-x86, target/release/reenact.
set -euo pipefail
reenact=$PWD/target/release/reenact
classes=$PWD/benches/classes
programs=${PROGRAMS:-$classes/float.c $classes/memory.c $classes/bytecode.c}
cd "${1:?usage: benches/classes.sh DIR [RUNS]}"
runs=${2:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# How much work QEMU finishes in some ten seconds.
declare -A amount=([float]=4 [memory]=1 [bytecode]=4)

image() { # NAME TIMES: an initrd that runs the program with that much work and powers off
  rm -rf "$work/tree"
  mkdir -p "$work/tree/bin"
  cp x-busybox-static/bin/busybox "$work/$1" "$work/tree/bin/"
  printf '#!/bin/busybox sh\n/bin/%s %s\necho DONE\n/bin/busybox poweroff -f\n' "$1" "$2" >"$work/tree/init"
  chmod +x "$work/tree/init"
  (cd "$work/tree" && find . | LC_ALL=C sort | cpio -o -H newc --quiet | gzip -n -1) >"$work/$1-$2.gz"
}
seconds() { # COMMAND...: its wall time
  local start=$EPOCHREALTIME
  "$@" >"$work/out" 2>&1 </dev/null || { echo "classes.sh: failed: $*" >&2; tail -3 "$work/out" >&2; exit 1; }
  bc -l <<<"$EPOCHREALTIME - $start"
}
record() { # NAME TIMES
  rm -rf "$work/$1-$2.reen"
  seconds "$reenact" record --kernel vmlinuz --initrd "$work/$1-$2.gz" --append "console=ttyS0 panic=-1" --memory 256M -o "$work/$1-$2.reen"
}
qemu() { # NAME TIMES MODE
  seconds timeout 600 qemu-system-x86_64 -accel tcg,thread=single -cpu qemu64 -m 256 -smp 1 -nodefaults -display none -no-reboot -net none \
    -kernel vmlinuz -initrd "$work/$1-$2.gz" -append "console=ttyS0 panic=-1" -serial "file:$work/console" \
    -icount "shift=auto,rr=$3,rrfile=$work/$1.rr"
}
ratio() { bc -l <<<"$1 / $2" | xargs printf '%.2f'; }
own() { bc -l <<<"($2 - $1) / 2"; } # TIME-OF-ONE TIME-OF-THREE

for source in $programs; do
  name=$(basename "$source" .c)
  one=${amount[$name]:-1}
  three=$((one * 3))
  gcc -O2 -static -o "$work/$name" "$source" -lm
  image "$name" "$one"
  image "$name" "$three"
  for run in $(seq "$runs"); do
    native=$(own "$(seconds "$work/$name" "$one")" "$(seconds "$work/$name" "$three")")
    short=$(record "$name" "$one")
    long=$(record "$name" "$three")
    verify_short=$(seconds "$reenact" verify "$work/$name-$one.reen")
    verify_long=$(seconds "$reenact" verify "$work/$name-$three.reen")
    qemu=$(qemu "$name" "$three" record)
    grep -q DONE "$work/console" || { echo "classes.sh: QEMU did not finish $name" >&2; exit 1; }
    replay=$(qemu "$name" "$three" replay)
    printf '%s run %s: record %.2f s, verify %.2f s; QEMU record %.2f s (ratio %s), replay %.2f s (ratio %s); the program: native %.2f s, guest record %s times, verify %s times\n' \
      "$name" "$run" "$long" "$verify_long" "$qemu" "$(ratio "$long" "$qemu")" "$replay" "$(ratio "$verify_long" "$replay")" \
      "$native" "$(ratio "$(own "$short" "$long")" "$native")" "$(ratio "$(own "$verify_short" "$verify_long")" "$native")"
  done
done
