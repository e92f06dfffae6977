#!/bin/sh
# A machine to install things on: this one's files, below a layer of its own for what
# is changed; its own processes, network, name and control groups; and Debian's
# systemd, started as at boot. It says "machine PID" once it is there, and ends with
# that process. In it SEEN are as they are here. Called by machine.rs:
# unshare --mount sh machine.sh FOLDER SEEN ...

set -eu

if [ "$1" != inside ]; then
    folder=$1
    mount -t tmpfs tmpfs "$folder"
    cd "$folder"
    mkdir changes work root groups
    mount -t overlay overlay -o lowerdir=/,upperdir=changes,workdir=work root
    mount -t cgroup2 cgroup2 groups
    group=groups/acceptutils-test.$$
    mkdir $group
    trap 'find "$folder/$group" -depth -type d -exec rmdir {} +' EXIT
    sh -c 'echo $$ >"$1" && shift && exec unshare --cgroup --net --uts --ipc --mount \
        --pid --fork --kill-child sh "$@"' - $group/cgroup.procs "$0" inside "$@" || :
    exit
fi
folder=$2
shift 2

# Still this machine's /proc: the number is one that it knows.
read -r pid rest </proc/self/stat

cd "$folder/root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount -o ro -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for volatile in run tmp dev; do mount -t tmpfs tmpfs $volatile; done
chmod 1777 tmp
# Where a file system of its own hides one, or it is on another than /, as a checkout in /tmp is:
# below a layer, too.
number=0
for seen in "$@"; do
    [ -z "$(ls -A ".$seen" 2>/dev/null)" ] || continue
    number=$((number + 1))
    mkdir -p ".$seen" "$folder/changes.$number" "$folder/work.$number"
    mount -t overlay overlay ".$seen" \
        -o "lowerdir=$seen,upperdir=$folder/changes.$number,workdir=$folder/work.$number"
done
for device in null zero full random urandom tty; do
    : >dev/$device
    mount --bind /dev/$device dev/$device
done
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx

# Nothing that this machine runs, mounts or waits for.
: >etc/fstab
find etc/systemd/system -path '*.wants/*' -delete
mkdir run/systemd run/systemd/system
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >run/systemd/system/machine.target

pivot_root . mnt
umount -l mnt
echo "machine $pid"
# The kernel, the clock and the devices stay out of its reach.
exec env -i container=other setpriv --bounding-set \
    -sys_module,-sys_rawio,-sys_time,-sys_boot,-syslog,-audit_control,-mac_admin,-net_raw \
    /lib/systemd/systemd --unit=machine.target --show-status=no --log-target=null \
    </dev/null >/dev/null 2>&1
