#!/bin/sh
# Named by a guest's configuration (lxc.net.N.script.up): lets through only what the guest's own address and MAC may send.
# LXC runs it whenever the port appears: at every start, also after the host restarts; if it fails, the guest does not start.
#
# usage: port.sh MAC ADDRESS GUEST SECTION up veth BRIDGE DEVICE
#
# A netdev table sits where frames enter the host, before the bridge learns anything from them. Everything but IPv4 and ARP
# from the own pair is dropped: other Ethernet types, VLAN tags, IPv6 (guests have no IPv6 address), and DHCP servers.
set -eu
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mac=$1
address=$2
device=$8

case $mac in *[!0-9a-f:]* | '') exit 1 ;; esac
case $address in *[!0-9.]* | '') exit 1 ;; esac
case $device in *[!0-9a-zA-Z]* | '') exit 1 ;; esac

nft -f - <<END
add table netdev mcp_$device
delete table netdev mcp_$device
table netdev mcp_$device {
    chain from_guest {
        type filter hook ingress device "$device" priority 0; policy drop;
        ether saddr != $mac drop
        ether type arp arp htype 1 arp ptype ip arp saddr ether $mac arp saddr ip { 0.0.0.0, $address } accept
        ether type ip udp sport 67 drop
        ether type ip ip saddr $address accept
    }
}
END
nft list table netdev "mcp_$device" | grep -q "device \"$device\".*policy drop"
