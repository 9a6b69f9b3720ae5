"""Does anything grow with the fleet? Every page and every GET endpoint, found by walking the schema and the URLs."""
