"""Who takes part, each in a module of its own that is run as a command."""
