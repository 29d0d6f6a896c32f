"""Publishers: how a frame leaves. One verb, one file a way; a door that opens a repository chooses among them.

`Clone` commits locally, `RemoteClone` pushes; the action may propose a pull request instead, or let GitHub make the
commit; a dry run publishes to nowhere, and a preview to a branch that may be thrown away.
"""
