"""The documentation tells what the code does: codes, links, nouns and life cycles are compared."""
