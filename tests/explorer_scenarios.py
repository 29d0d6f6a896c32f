"""What the explorer goes through: small worlds, each with something that could go wrong."""

from __future__ import annotations

from dataclasses import replace

from tests.explorer import Scenario, Script

DRAFT = Script("draft", run="r")
VERSION = Script("version", run="r", after=("draft",), slot_of="draft")
PEER = Script("peer", "peer", place="branch")
AHEAD = replace(PEER, ahead=1)
EARLY = Script("early", "early", ahead=1)

LAST = Script("last", run="a", epoch=1, by="old")
RELEASE = Script("release", run="b", epoch=1, control={"op": "release", "epoch": 1}, ends="old", by="old")
RECLAIM = Script("reclaim", "operator", control={"op": "reclaim", "worker": "w", "epoch": 1}, ends="old")
CLAIM = Script("claim", run="c", control={"op": "claim"}, applied=("release",), by="young")
HEIR = Script("heir", run="d", epoch=2, applied=("claim",), by="young")

SCENARIOS = {
    "two contents for one slot": Scenario(
        (DRAFT, VERSION), starts=(1, 1), reaches=frozenset({"superseded", "quarantined", "contended"})
    ),
    "the same bytes again": Scenario((DRAFT,), ("draft",), (1, 1), reaches=frozenset({"applied", "contended"})),
    "the same bytes twice": Scenario((PEER,), ("peer",), (2,), reaches=frozenset({"applied"})),
    "a delta branch": Scenario((DRAFT, PEER), starts=(2,), reaches=frozenset({"applied", "contended"})),
    "ahead of the open frame": Scenario((DRAFT, AHEAD), starts=(2,), reaches=frozenset({"applied", "held"})),
    "ahead in the inbox": Scenario((DRAFT, EARLY), starts=(2,), reaches=frozenset({"held", "contended"})),
    "a person's edit": Scenario((DRAFT,), starts=(1, 1), edit="refuse", reaches=frozenset({"stopped", "contended"})),
    "a person's edit, taken in": Scenario(
        (DRAFT,), starts=(2,), edit="adopt", reaches=frozenset({"applied", "settled", "contended"})
    ),
    "a person's edit, undone": Scenario(
        (DRAFT,), starts=(2,), edit="revert", reaches=frozenset({"applied", "settled", "contended"})
    ),
    "lost pushes and replies": Scenario(
        (DRAFT,), starts=(1, 1), faults=1, remote=True, reaches=frozenset({"recovered", "contended"})
    ),
    "a zombie": Scenario(
        (RELEASE, LAST), starts=(2, 1), claimed=True, reaches=frozenset({"applied", "fenced", "contended"})
    ),
    "a zombie that knows of no epoch": Scenario(
        (RELEASE, replace(LAST, epoch=None)), starts=(2,), claimed=True, reaches=frozenset({"fenced"})
    ),
    "a zombie that comes again": Scenario(
        (RELEASE, replace(LAST, after=("release",))),
        ("last",),
        (3,),
        claimed=True,
        reaches=frozenset({"applied", "fenced"}),
    ),
    "a zombie and an heir": Scenario(
        (RELEASE, CLAIM, replace(LAST, applied=("claim",)), HEIR),
        starts=(4,),
        claimed=True,
        reaches=frozenset({"applied", "fenced"}),
    ),
    "a late reclaim": Scenario(
        (RELEASE, CLAIM, replace(RECLAIM, applied=("claim",)), HEIR),
        starts=(4,),
        claimed=True,
        reaches=frozenset({"applied"}),
    ),
}

DEEP = {
    "two contents, two merges": replace(SCENARIOS["two contents for one slot"], starts=(2, 2)),
    "the same bytes, two merges": replace(SCENARIOS["the same bytes again"], starts=(2, 2)),
    "ahead, two merges": replace(SCENARIOS["ahead of the open frame"], starts=(2, 1)),
    "an edit taken in, two merges": replace(SCENARIOS["a person's edit, taken in"], starts=(2, 1)),
    "contents, copies, two merges": Scenario(
        (DRAFT, VERSION, PEER), ("draft",), (2, 2), reaches=frozenset({"superseded", "quarantined", "contended"})
    ),
    "ahead, with an edit": Scenario(
        (DRAFT, AHEAD), ("peer",), (2, 1), edit="refuse", reaches=frozenset({"stopped", "contended"})
    ),
    "lost pushes and replies, again": Scenario(
        (DRAFT, PEER), starts=(2, 1), faults=2, remote=True, reaches=frozenset({"recovered", "contended"})
    ),
    "leases, two merges": Scenario(
        (RELEASE, RECLAIM, CLAIM, LAST, HEIR), starts=(3, 2), claimed=True, reaches=frozenset({"applied", "fenced"})
    ),
}
