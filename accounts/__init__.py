"""Who acts and who pays: accounts, members and their roles, API keys, SSH keys, limits."""
