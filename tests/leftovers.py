"""What hosts still hold of guests: directories, mounts, cgroups, network ports and rules, subvolumes."""

from __future__ import annotations

from lab.pod import Pod as Lab

# Each prints a line for everything left of a guest of MCP's, and nothing on a clean host. Image copies may stay.
LOOK = {
    "zone": "ls /var/lib/mcp/store/zones",
    "configuration": "ls -d /var/lib/lxc/mcp-* 2>/dev/null",
    "mount": "cat /proc/[0-9]*/mountinfo 2>/dev/null | grep -o 'zones/[0-9a-f-]*' | sort -u",
    "cgroup": "find /sys/fs/cgroup -type d -name 'lxc.*.mcp-*'",
    "port": "ip -o link | grep -o 'mz[0-9a-f]*'",
    "rules": "nft list tables netdev | grep mcp_",
    "subvolume": "btrfs subvolume list /var/lib/mcp/store | grep zones/",
    "process": "grep -lE '^Uid:.[1-9][0-9]{6}' /proc/[0-9]*/status 2>/dev/null",
}


def leftovers(lab: Lab) -> list[str]:
    """One line for each thing that is left on any host."""
    script = "\n".join(f"{{ {command}; }} | sed 's/^/{what}: /'" for what, command in LOOK.items())
    found = []
    for host in lab.hosts:
        found += [f"{host.name}: {line}" for line in lab.exec(host.name, "sh", "-c", script + "\ntrue").splitlines()]
    return found
