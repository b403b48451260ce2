"""The checks of the contract suite: each function shows one sentence of the contract."""
