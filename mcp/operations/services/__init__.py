"""One public verb per file: submit, claim, cancel, retry, wake, sweep."""
