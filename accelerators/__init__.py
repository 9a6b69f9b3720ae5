"""What a customer holds: plans to choose from and accelerators to run."""
