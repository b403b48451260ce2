"""The checks of the contract suite: each function is one sentence of the contract, shown to hold."""
