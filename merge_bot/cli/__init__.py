"""The command line: one file a command, and a literal table that imports them when they are called."""
