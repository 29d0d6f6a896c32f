"""Every publisher by name, loaded when it is first used."""

from __future__ import annotations

PUBLISHERS = {
    "dry-run": "merge_bot.publish.dry_run:DryRun",
    "commit": "merge_bot.publish.commit:CommitPublisher",
    "push": "merge_bot.publish.push:PushPublisher",
}
