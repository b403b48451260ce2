"""Floor 3: every rule about stored jobs, once, for all drivers."""
