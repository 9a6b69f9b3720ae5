"""The pod in a box: a whole pod, with real hosts that answer SSH and run real containers, on one Linux machine."""
