"""Every transport by name, loaded when it is first used."""

from __future__ import annotations

TRANSPORTS = {
    "branches": "merge_bot.transports.branches:BranchesTransport",
    "inbox": "merge_bot.transports.inbox:InboxTransport",
    "memory": "merge_bot.transports.memory:MemoryTransport",
}
