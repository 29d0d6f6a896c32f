"""Transports: how deltas arrive. Three verbs: send, receive, settle."""
