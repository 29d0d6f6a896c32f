"""The edge to git: the only part of the project that runs it.

process                   starts every git process, logs it first
files  lock               our own file operations, a lock between processes
letters                   every sentence about git
objects  history          reading: blobs and trees; what happened between commits
packs                     objects that lie whole in a pack, read without git
shallow                   clones that have only the newest history
write  pack  deflate      a commit as one pack; a ref by compare-and-swap
ahead  writing            the large contents of a commit, ahead of it, by a process that may do other work first
expected                  blobs that git reads meanwhile
partial                   contents that stay at the remote until they are read
head                      what the files of refs say: the branch that is checked out, that there are none of a kind
scan                      what lies in the work tree and nobody committed
line                      what is new on branches that only grow
consumed  local  checkout the work tree follows its branch, with no edit discarded
repository                all of it as one object
bare                      a repository of our own, for a while
worktrees                 linked work trees, one a worker
remote  remote_letters    another repository: its refs, fetching, a push judged by what the ref says
credentials  secrets      addresses, tokens, and what is never shown
"""

from __future__ import annotations

from merge_bot.git.ahead import Sent
from merge_bot.git.history import Change, Landing, LastChange
from merge_bot.git.repository import Repository
from merge_bot.git.write import Content, Identity, New
from merge_bot.tree import Entry

__all__ = [
    "Change",
    "Content",
    "Entry",
    "Identity",
    "Landing",
    "LastChange",
    "New",
    "Repository",
    "Sent",
]
