"""Pure. Merge strategies: what becomes of a collection when operations meet it. Each file opens with its law."""
