"""What the operator owns: pods, hosts, networks, addresses, images; placement; and the drivers in gear/."""
