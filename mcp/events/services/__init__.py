"""Writing events and audit entries; always inside the transaction of the change they tell about."""
