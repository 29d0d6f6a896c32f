"""The same frame given to other tools, each modelled as its own users would, and what came of it."""
