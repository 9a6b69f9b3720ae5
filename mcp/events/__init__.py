"""What happened: events for customers (timelines, /events) and the audit trail for operators."""
