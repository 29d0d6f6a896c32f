"""Pure. Layouts: how a collection's records lie in files."""
