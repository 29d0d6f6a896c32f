"""A model of the protocol, and what checks it. See README.md here."""
