#!/bin/sh
# Make the smallest root file system that boots in a zone: busybox and an init that waits for SIGPWR.
#
# usage: tiny-root.sh DIRECTORY
set -eu

root=$1
mkdir -p "$root/bin" "$root/sbin" "$root/proc" "$root/sys" "$root/dev" "$root/root"
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in sh sleep ping hostname id; do
    ln -s busybox "$root/bin/$applet"
done
cat >"$root/sbin/init" <<'END'
#!/bin/sh
trap 'exit 0' PWR
while :; do
    sleep 1000 &
    wait $!
done
END
chmod 755 "$root/sbin/init"
tar --numeric-owner --owner=0 --group=0 -C "$root" -cf "$root.tar" .
