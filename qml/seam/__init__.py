"""Floor 1: the seam between the rules and the stores: rows, a driver's verbs, job <-> row."""
