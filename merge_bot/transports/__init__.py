"""Transports: how deltas arrive. Three verbs: send, receive, settle. One file a way; a door chooses among them.

`Clone` reads the inbox, `RemoteClone` the inbox and all delta branches; memory is for tests. `several`, `chosen` and
`uncommitted` stand around other transports.
"""
