"""Pure. Which operations there are, who may ask for each, and who decides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from merge_bot import breaker, leases, resolutions, workshop
from merge_bot import control_letters as letters
from merge_bot.control import Decision, Office, refused
from merge_bot.delta import Request
from merge_bot.findings import Outcome, Reason, Recover


class Operation(NamedTuple):
    """One kind of request.

    `anybody` says whether any worker may ask; else only operators. `rolls_back` says whether a rollback undoes what
    was decided, so that a delta which is put up again asks anew: not where ledger and workers hold it, which go on.
    """

    decide: Callable[[Office, Request], Decision]
    anybody: bool = False
    rolls_back: bool = False


OPERATIONS = {
    "claim": Operation(leases.claim, anybody=True),
    "release": Operation(leases.release, anybody=True),
    "reclaim": Operation(leases.reclaim, anybody=True),
    "enable": Operation(breaker.enable),
    "retry": Operation(workshop.retry),
    "requeue": Operation(workshop.requeue),
    "resolve": Operation(resolutions.resolve, rolls_back=True),
    "amend": Operation(workshop.amend),
    "drop": Operation(workshop.drop),
}


def decide(office: Office) -> list[Decision]:
    """Decide every request of the frame's admitted deltas, by rank; what is granted is done in the office's books."""
    requests = sorted((one for delta in office.admission.admitted for one in delta.control), key=lambda one: one[:2])
    decisions = [_decide(office, one) for one in requests]
    leases.note_signs_of_life(office)
    return decisions


def _decide(office: Office, request: Request) -> Decision:
    operation = OPERATIONS[request.op]
    operators = office.settings.operators
    step = office.settings.policy_step
    is_step = request.op == "resolve" and bool(step.command) and request.origin.stream_id == step.stream
    if not operation.anybody and not is_step and request.origin.stream_id not in operators:
        why = letters.not_an_operator(request.op, request.origin.stream_id, operators)
        return refused(request, Reason.NOT_AN_OPERATOR, Recover.ASK_OPERATOR, why)
    line = office.ledger.entry(request.origin.frame, request.origin.digest)
    if line is not None and line.outcome == Outcome.UNDONE and not operation.rolls_back:
        return refused(request, Reason.DECIDED_BEFORE, Recover.NONE, letters.outlives_rollback(request.op))
    return operation.decide(office, request)
