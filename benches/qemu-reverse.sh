#!/usr/bin/env bash
# benches/qemu-reverse.sh DIR: times reverse debugging of the boot guest with QEMU and with reenact, by the same gdb commands.
# DIR holds vmlinuz and boot.gz. Needs qemu-system-x86, qemu-utils, gdb, and target/release/reenact.
set -euo pipefail
here=$PWD
reenact=$here/target/release/reenact
cd "${1:?usage: benches/qemu-reverse.sh DIR}"
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT

qemu() {
  local mode=$1
  shift
  qemu-system-x86_64 -accel tcg,thread=single -cpu qemu64 -m 256 -smp 1 -nodefaults -display none -no-reboot -net none \
    -kernel vmlinuz -initrd boot.gz -append "console=ttyS0 panic=-1" -serial "file:$work/console" \
    -icount "shift=auto,rr=$mode,rrfile=$work/boot.rr,rrsnapshot=init" -drive "file=$work/snap.qcow2,if=none,id=snap" "$@" </dev/null
}

# commands PORT START: connect, go to instruction 1,000,000,000 by START, step back three times, go back to the beginning.
commands() {
  cat <<END
set pagination off
set confirm off
set architecture i386:x86-64
target remote :$1
python
import time
def timed(command):
    start = time.time()
    gdb.execute(command, to_string=True)
    print("%-18s %7.3f s" % (command, time.time() - start))
$2
for i in range(3): timed("reverse-stepi")
timed("reverse-continue")
end
kill
END
}

qemu-img create -q -f qcow2 "$work/snap.qcow2" 2G
qemu record
qemu replay -gdb tcp::12345 -S &
sleep 1
echo "== QEMU"
commands 12345 'gdb.execute("monitor replay_break 1000000000", to_string=True); timed("continue")' > "$work/gdb"
timeout 300 gdb -batch -nx -x "$work/gdb" 2>/dev/null | grep ' s$' || true

"$reenact" record --kernel vmlinuz --initrd boot.gz --append "console=ttyS0 panic=-1" --memory 256M -o "$work/boot.reen" </dev/null >/dev/null 2>&1
"$reenact" index "$work/boot.reen" >/dev/null
"$reenact" gdb "$work/boot.reen" --listen 127.0.0.1:12346 --exec none >/dev/null 2>&1 &
sleep 1
echo "== reenact"
commands 12346 'timed("monitor goto 1000000000"); gdb.execute("maint flush register-cache")' > "$work/gdb"
timeout 300 gdb -batch -nx -x "$work/gdb" 2>/dev/null | grep ' s$'
