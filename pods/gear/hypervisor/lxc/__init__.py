"""Unprivileged LXC zones on Debian hosts, agentless."""
