"""What working together costs: limits, batches, unique keys, locks, steps, transactions, maps."""
