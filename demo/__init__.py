"""`make up` and `make down`: a whole cloud on one machine, for trying MCP out. Part of no installation.

The steps, in order (demo/up.py): secrets, the pod in a box (or a simulated one), database, people and keys, pod and hosts,
images, server, the first accelerator, and `var/mcp.env` for whoever goes on from there. Every step looks first and does
only what is missing, so a second run is quick and mends what died.
"""
