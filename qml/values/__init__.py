"""Floor 0: pure values, which know no storage."""
