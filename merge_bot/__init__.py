"""Dream Catcher: parallel workers write deltas, one merge per frame commits them, git keeps everything.

The map, bottom first. A module imports only from its own line or the lines above it.

    errors  findings  canonical  delta  collection  references  batch  pending
    tree  paths  safe_path  guess  progress  assignment
    json_schema  json_scanner  json_faults  strict_json  json_style  wording  messages  rule_messages  letters
    worker_letters  history_letters  alarm_letters  submit_letters  github_letters  github_answers  control_letters
    drift_letters  conflict_letters  policy  sections
    settings  settings_file  state  manifest  manifest_schema  proposal  ledger  workers  conflicts  parked
    layouts  strategies  lenient  rollback_letters  foreign_letters  verify_letters  export_letters  retention
    records  diff  counting  plain  page  markdown
    doctor_letters  path_filter  doctor  doctor_workflows
    drift  x_merge  schemas  control_schema  delta_schema  enrolment  bounds  validate  explain  repair
    gate  admit  control  leases  breaker  workshop  resolutions  control_table
    check  grounds  folding  apart  merge  foresight  receipts  worker_receipts  quarantine  closing  alarms
    workflow_commands  calls
    updates
    git  commit_files  github_api  actions  workspace  delivery  termination  resources  patience  processes  brief
    transports  edits  kept  collect  validating  genesis  snapshot
    publish  edits_report
    frame  clone  writer  leaseholder  asking  worker  parcel  target  submit  bell  reader  worker_update
    remote_clone  intake
    decisions_report  report  receipts_report  quarantine_report  action_outputs  landings  past_state
    pull_request_body  audit_letters  audit_files  audit_keys  audit_books  audit_places  audit_counters
    audit    verify_books  verify_workers  verify_frame  verify_work  export_sqlite  adoption
    history  replay  contributions  blame  preview  rollback  rollback_body  foreign  run  verify  export  past_report
    frame_log  policy_step
    cli  __main__

The first twelve lines (nouns, families and verbs) are pure: bytes and values in, bytes and values out. Below them stand
the edges, each of which knows one outside thing, the stages that use them, and the doors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merge_bot.errors import DeliveryFailed, DeltaRejected, DreamcatcherError, LeaseEnded, SlotTaken
    from merge_bot.frame import run_frame
    from merge_bot.worker import Worker
    from merge_bot.writer import write_delta

__version__ = "0.1.0"

__all__ = [
    "DeliveryFailed",
    "DeltaRejected",
    "DreamcatcherError",
    "LeaseEnded",
    "SlotTaken",
    "Worker",
    "run_frame",
    "write_delta",
]

# A worker must not wait for what only the merge needs, so each name is loaded when it is first asked for (PEP 562).
_HOME = {
    "DeliveryFailed": "errors",
    "DeltaRejected": "errors",
    "DreamcatcherError": "errors",
    "LeaseEnded": "errors",
    "SlotTaken": "errors",
    "Worker": "worker",
    "run_frame": "frame",
    "write_delta": "writer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"merge_bot.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
