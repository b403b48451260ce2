"""How fast qml is on this machine, beside the bare database doing the same, and beside others."""
