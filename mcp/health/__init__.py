"""Is it well? Health endpoints, metrics, the `doctor`, and the signs of life that workers leave in the database."""
