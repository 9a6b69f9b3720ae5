"""One public verb per file; API, portal, console, timers and command line all come through here."""
