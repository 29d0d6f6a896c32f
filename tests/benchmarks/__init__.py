"""How fast a frame is, and how much memory it takes, beside a plain implementation: `python -m tests.benchmarks`."""
