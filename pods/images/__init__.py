"""Images: what accelerators are made from. Recipes (TOML), and a builder that turns one into a tar.zst with a manifest."""
