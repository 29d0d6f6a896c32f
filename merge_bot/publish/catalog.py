"""Every publisher by name, loaded when it is first used."""

from __future__ import annotations

PUBLISHERS = {
    "dry-run": "merge_bot.publish.dry_run:DryRun",
    "commit": "merge_bot.publish.commit:CommitPublisher",
    "speculative": "merge_bot.publish.speculative:SpeculativePublisher",
    "push": "merge_bot.publish.push:PushPublisher",
    "pull-request": "merge_bot.publish.pull_request:PullRequestPublisher",
}
