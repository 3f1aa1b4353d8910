#!/bin/sh
# Runs the command that is on the second disk. Its output goes to the second serial line, as it is.
exec >/dev/ttyS1 2>&1 </dev/null
stty -F /dev/ttyS1 raw
echo "testbed-vm: up"
mkdir -p /srv/testbed
mount /dev/vdb /srv/testbed && sh /srv/testbed/run
echo "testbed-vm: exit code $?"
