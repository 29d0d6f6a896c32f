-- The protocol of deltas, frames and leases, for the model checker rumur. See README.md beside this file.
--
-- One branch, of which everybody sees one commit at a time (`head`). Workers commit deltas to its inbox or to a delta
-- branch, merges read a commit, make a frame of it, and put that in place by compare-and-swap. Any merge may fall at
-- any moment and be started again, any reply may be lost, and a person may commit to the state in between.
--
-- What a merge decides by (receipts, clock, epoch, watermark) and what the invariants ask for (how often a delta is in
-- the state, whether its writer's lease had ended, what was ever committed) are kept apart: no guard is held against
-- itself.

const
  FRAMES: 7;
  YES: 1;

  -- Mutants: each is one guard switched off. The checker turns one of them to 1; the table in README.md says what
  -- guard of the code it stands for, and which invariant has to break.
  no_ledger: 0;
  copies_counted: 0;
  slot_refilled: 0;
  tip_only: 0;
  held_dropped: 0;
  inbox_swept: 0;
  marked_at_push: 0;
  loser_applied: 0;
  two_commits: 0;
  lease_by_clock: 0;
  no_lease: 0;
  clock_stuck: 0;
  race_replayed: 0;
  failure_is_done: 0;
  edit_unnoticed: 0;
  undone_unkept: 0;
  no_fence: 0;
  missing_accepted: 0;
  fenced_let_in: 0;
  release_keeps_epoch: 0;
  epochs_kept: 0;
  judged_after: 0;
  reclaim_unnamed: 0;

type
  -- draft, version: two contents for one slot of worker W, under one name in the inbox, so the second hides the first.
  -- peer: of another worker, on a delta branch, perhaps for a frame that is not open yet. It never claims a lease.
  -- last, release: of W's old process, which may wake up long after its lease has ended. heir, claim: of W's new one.
  -- reclaim: of an operator, who ends the lease that was seen, which may be another by then.
  Delta: enum { draft, version, peer, last, release, reclaim, claim, heir };
  Said: enum { nothing, applied, superseded, slot_taken, fenced, void };
  Process: enum { nobody, old, young };
  Hand: enum { untouched, edited, overwritten };
  Frame: 0..FRAMES;
  Epoch: 0..4;

  Tree: record
    frame: Frame;                     -- the open frame
    tip: array [Delta] of boolean;    -- lies in the inbox
    copy: array [Delta] of boolean;   -- lies there once more, under another name
    hidden: array [Delta] of boolean; -- was there since the base of the newest frame, and was written over
    mark: boolean;                    -- the watermark has passed the peer's commit
    said: array [Delta] of Said;      -- receipts and ledger
    epoch: Epoch;
    holder: Process;
    proved: boolean;                  -- the newest manifest names the state as it is
    kept: boolean;                    -- a frame recorded the person's edit

    -- The content, and how it came about. No guard reads these.
    count: array [Delta] of 0..3;
    hand: Hand;
    ended: array [Process] of boolean;   -- the lease of this process has ended,
    rightly: array [Process] of boolean; -- because somebody meant to end that one
    zombie_applied: boolean;
    living_fenced: boolean;
  end;

  Merge: scalarset(2);
  Phase: enum { idle, made, half, unsure };

  Run: record
    phase: Phase;
    current: boolean;                  -- the branch is still at the commit that the frame was made from
    arrived: boolean;                  -- the frame's commit is at the tip of the branch, or behind it
    epoch: Epoch;
    open: Frame;
    frame: Tree;
    says: array [Delta] of boolean;    -- what the frame's receipts call applied
  end;

var
  head: Tree;
  merges: array [Merge] of Run;
  branch: boolean;                     -- the peer's delta branch has its commit
  deliveries, leases, adopts: boolean; -- which part of the world is looked at; what is done about foreign edits
  stamp: array [Delta] of Epoch;       -- the epoch in a delta's bytes, 0 if there is none; of reclaims, the one named
  ahead: Frame;                        -- the frame that the peer wrote for
  resent: boolean;

  -- History, which nobody in the protocol sees.
  written: array [Delta] of boolean;
  meant: array [Delta] of Process;     -- whose lease a reclaim means to end
  edit: boolean;                       -- a person's edit was committed, and not taken back by that person
  landed: Frame;                       -- how many frames were ever put in place
  lied: boolean;                       -- somebody was told "applied" of a delta that the branch says nothing of

function writer(d: Delta): Process;
begin
  if d = draft | d = version | d = last | d = release then return old; end;
  if d = claim | d = heir then return young; end;
  return nobody;
end;

function is_control(d: Delta): boolean;
begin
  return d = release | d = reclaim | d = claim;
end;

-- Deltas that write the field that the person edits, among other things.
function touches(d: Delta): boolean;
begin
  return d = draft | d = version | d = peer;
end;

-- A frame whose base is no longer the tip will never land. What is in it matters to mutants alone, which push it
-- nevertheless; forgetting it makes the world small.
procedure moved();
begin
  for m: Merge do
    if merges[m].phase != idle then
      merges[m].current := false;
      if no_lease != YES & race_replayed != YES & lease_by_clock != YES then
        clear merges[m].frame;
        if !merges[m].arrived then
          for d: Delta do
            if failure_is_done != YES | d != draft then merges[m].says[d] := false; end;
          end;
        end;
      end;
    end;
  end;
end;

procedure put_into_inbox(d: Delta);
begin
  if d = version & head.tip[draft] then
    head.tip[draft] := false;
    head.hidden[draft] := true;
  end;
  head.tip[d] := true;
  written[d] := true;
  moved();
end;

procedure apply(var t: Tree; d: Delta; times: 1..3);
begin
  t.said[d] := applied;
  if t.count[d] + times > 3 then t.count[d] := 3; else t.count[d] := t.count[d] + times; end;
  if touches(d) & t.hand = edited then t.hand := overwritten; end;
  if head.ended[writer(d)] then t.zombie_applied := true; end;
end;

procedure fence(var t: Tree; d: Delta);
begin
  t.said[d] := fenced;
  if stamp[d] != 0 & !(head.ended[writer(d)] & head.rightly[writer(d)]) then t.living_fenced := true; end;
end;

procedure end_lease(var t: Tree; by_right: boolean; moves: boolean);
begin
  t.ended[t.holder] := true;
  t.rightly[t.holder] := by_right;
  t.holder := nobody;
  if moves & t.epoch < 4 then t.epoch := t.epoch + 1; end;
end;

-- What a `_control` operation does. Of several in one frame each sees what the one before did.
procedure decide(var t: Tree; d: Delta);
begin
  if d = release & t.holder = old then
    apply(t, d, 1);
    end_lease(t, true, release_keeps_epoch != YES);
  elsif d = claim & t.holder = nobody then
    apply(t, d, 1);
    t.holder := young;
  elsif d = reclaim & t.holder != nobody & (stamp[d] = t.epoch | reclaim_unnamed = YES) then
    apply(t, d, 1);
    end_lease(t, meant[d] = t.holder, true);
  else
    t.said[d] := void;
  end;
end;

function is_fenced(d: Delta; epoch: Epoch): boolean;
begin
  if writer(d) = nobody | no_fence = YES then return false; end;
  if stamp[d] = 0 then return missing_accepted != YES; end;
  return stamp[d] < epoch;
end;

-- One slot, two contents: the newer one counts, and once a slot is full nothing more enters.
procedure fill_slot(var t: Tree; has_draft: boolean; has_version: boolean);
var full: boolean;
begin
  full := (t.said[draft] = applied | t.said[version] = applied) & slot_refilled != YES;
  if has_version then
    if full then t.said[version] := slot_taken; else apply(t, version, 1); end;
  end;
  if has_draft then
    if full then t.said[draft] := slot_taken;
    elsif !has_version then apply(t, draft, 1);
    elsif loser_applied = YES then t.said[draft] := applied;
    else t.said[draft] := superseded; end;
  end;
end;

procedure adopt_or_revert(var t: Tree);
begin
  if !adopts then t.hand := untouched; end;
  t.kept := adopts | undone_unkept != YES;
  t.proved := true;
end;

-- collect, validate, merge, check and snapshot: they only read, so they are one step.
procedure make_frame(m: Merge);
var
  t: Tree;
  times: array [Delta] of 0..3;
  fresh: array [Delta] of boolean;
  judged_by: Epoch;
  any: boolean;
begin
  t := head;
  any := false;
  judged_by := t.epoch;
  if epochs_kept = YES & merges[m].epoch != 0 then judged_by := merges[m].epoch; end;
  if judged_after = YES & t.tip[release] & stamp[release] = t.epoch then judged_by := t.epoch + 1; end;
  if t.hand != untouched & !t.proved & edit_unnoticed != YES then
    adopt_or_revert(t);
    any := true;
  else
    for d: Delta do
      times[d] := 0;
      fresh[d] := false;
      if t.tip[d] | (t.hidden[d] & tip_only != YES) then times[d] := times[d] + 1; end;
      if t.copy[d] then times[d] := times[d] + 1; end;
      if d = peer & branch & !t.mark then times[d] := times[d] + 1; end;

      if times[d] > 0 then
        if d = peer & ahead > t.frame then
          -- Held. The watermark passes it, so it goes on waiting in the inbox.
          if branch & !t.mark & held_dropped != YES then t.tip[d] := true; end;
        else
          any := true;
          t.tip[d] := false;
          t.copy[d] := false;
          if t.said[d] != nothing & t.said[d] != fenced & t.said[d] != slot_taken & no_ledger != YES then
            -- A duplicate: what was settled stays settled.
          elsif is_fenced(d, judged_by) & !(fenced_let_in = YES & t.said[d] = fenced) then
            if t.said[d] = nothing then fence(t, d); end;
          else
            fresh[d] := true;
          end;
        end;
      end;
      t.hidden[d] := false;
    end;
    if inbox_swept = YES & any then clear t.tip; clear t.copy; end;
    if branch then t.mark := true; end;

    fill_slot(t, fresh[draft], fresh[version]);
    if fresh[peer] then
      if copies_counted = YES then apply(t, peer, times[peer]); else apply(t, peer, 1); end;
    end;
    if fresh[last] then apply(t, last, 1); end;
    if fresh[heir] then apply(t, heir, 1); end;
    for d: Delta do
      if is_control(d) & fresh[d] then decide(t, d); end;
    end;
    t.proved := true;
  end;

  if any then
    merges[m].phase := made;
    merges[m].current := true;
    merges[m].arrived := false;
    merges[m].open := t.frame;
    if epochs_kept = YES then merges[m].epoch := judged_by; end;
    if clock_stuck != YES then t.frame := t.frame + 1; end;
    merges[m].frame := t;
    for d: Delta do merges[m].says[d] := t.said[d] = applied; end;
  end;
end;

function may_land(m: Merge): boolean;
begin
  if no_lease = YES | race_replayed = YES then return true; end;
  if lease_by_clock = YES then return head.frame = merges[m].open; end;
  return merges[m].current;
end;

-- The commit is put in place: all of it, but for the mutant that needs two.
procedure land(m: Merge);
begin
  if two_commits = YES & merges[m].phase = made then
    head.count := merges[m].frame.count;
  else
    head := merges[m].frame;
    landed := landed + 1;
    merges[m].arrived := true;
  end;
  if marked_at_push = YES & branch then head.mark := true; end;
  moved();
end;

procedure tell(m: Merge);
begin
  for d: Delta do
    if merges[m].says[d] & head.said[d] != applied then lied := true; end;
  end;
end;

procedure rest(m: Merge);
begin
  clear merges[m].frame;
  clear merges[m].says;
  merges[m].phase := idle;
  merges[m].current := false;
  merges[m].arrived := false;
  merges[m].open := 0;
end;

procedure begin_with(delivering: boolean; adopting: boolean);
begin
  clear head;
  for m: Merge do clear merges[m]; merges[m].epoch := 0; end;
  clear written; clear stamp; clear meant;
  head.proved := true;
  head.epoch := 1;
  head.holder := old;
  branch := false; resent := false; ahead := 0;
  edit := false; landed := 0; lied := false;
  deliveries := delivering;
  leases := !delivering;
  adopts := adopting;
end;

startstate "deliveries, foreign edits adopted" begin begin_with(true, true); end;
startstate "deliveries, foreign edits reverted" begin begin_with(true, false); end;
startstate "leases" begin begin_with(false, true); end;

-- Workers

ruleset d: Delta do
  rule "W writes into the inbox"
    deliveries & (d = draft | d = version) & !written[d] & (d = version -> written[draft])
  ==> begin
    stamp[d] := 1;
    put_into_inbox(d);
  end;
end;

ruleset later: boolean do
  rule "the peer commits to its branch"
    deliveries & !written[peer]
  ==> begin
    written[peer] := true;
    branch := true;
    ahead := head.frame;
    if later then ahead := head.frame + 1; end;
  end;
end;

-- The old process has the epoch that it read when it was started, or none. It may wake up at any time, and what it
-- sent before its release may arrive afterwards.
ruleset knows: boolean do
  rule "W's old process writes"
    leases & !written[last]
  ==> begin
    if knows then stamp[last] := 1; end;
    put_into_inbox(last);
  end;
end;

rule "W's old process releases its lease"
  leases & !written[release]
==> begin
  stamp[release] := 1;
  put_into_inbox(release);
end;

-- Whoever reclaims may have looked long ago: any lease that there was so far may be the one that is meant.
ruleset seen: Process do
  rule "an operator reclaims what seems dead"
    leases & !written[reclaim] & (seen = old | seen = young & head.holder = young)
  ==> begin
    meant[reclaim] := seen;
    if seen = old then stamp[reclaim] := 1; else stamp[reclaim] := head.epoch; end;
    put_into_inbox(reclaim);
  end;
end;

rule "W's new process claims"
  leases & head.holder = nobody & !written[claim]
==> begin
  stamp[claim] := head.epoch;
  put_into_inbox(claim);
end;

-- It read its epoch when its claim was granted, and is nobody's zombie until its own lease ends.
rule "W's new process writes"
  leases & head.said[claim] = applied & !written[heir]
==> begin
  stamp[heir] := stamp[claim];
  put_into_inbox(heir);
end;

ruleset d: Delta do
  rule "the same bytes come again, under another name"
    !resent & written[d] & (d = draft | d = peer | d = last)
  ==> begin
    resent := true;
    head.copy[d] := true;
    moved();
  end;
end;

-- A person

rule "a person edits the state"
  deliveries & !edit & head.hand = untouched & head.proved & !head.kept
==> begin
  edit := true;
  head.hand := edited;
  head.proved := false;
  moved();
end;

rule "the person takes the edit back"
  edit & head.hand = edited & !head.proved
==> begin
  edit := false;
  head.hand := untouched;
  head.proved := true;
  moved();
end;

-- Merges

ruleset m: Merge do
  rule "a merge makes a frame"
    merges[m].phase = idle
  ==> begin
    make_frame(m);
  end;

  rule "a merge pushes, and hears what came of it"
    merges[m].phase = made | merges[m].phase = half
  ==> begin
    if !may_land(m) then
      if failure_is_done = YES then tell(m); end;
      rest(m);
    else
      land(m);
      if merges[m].arrived then
        tell(m);
        rest(m);
      else
        merges[m].phase := half;
        merges[m].current := true;
      end;
    end;
  end;

  rule "a merge pushes, and the reply is lost"
    merges[m].phase = made & may_land(m) & two_commits != YES
  ==> begin
    land(m);
    merges[m].phase := unsure;
  end;

  rule "a push is lost on the way"
    merges[m].phase = made
  ==> begin
    merges[m].phase := unsure;
  end;

  rule "a merge that does not know what came of its push reads the ref"
    merges[m].phase = unsure
  ==> begin
    if merges[m].arrived | failure_is_done = YES then
      tell(m);
      rest(m);
    elsif may_land(m) then
      merges[m].phase := made;
    else
      rest(m);
    end;
  end;

  rule "a merge falls"
    merges[m].phase != idle
  ==> begin
    rest(m);
    merges[m].epoch := 0;
  end;
end;

-- What must hold at every moment. Each is checked alone when a mutant has to break it.

invariant "exactly_once"
  (forall d: Delta do head.count[d] <= 1 end) & head.count[draft] + head.count[version] <= 1;

invariant "nothing_lost"
  forall d: Delta do
    written[d] -> head.said[d] != nothing | head.tip[d] | head.hidden[d] | head.copy[d] | d = peer & !head.mark
  end;

invariant "receipts_true"
  forall d: Delta do (head.said[d] = applied) = (head.count[d] > 0) end;

invariant "no_zombie_applied"
  !head.zombie_applied;

invariant "no_living_fenced"
  !head.living_fenced;

invariant "edits_kept"
  edit -> head.hand = edited | head.kept;

invariant "frames_never_fork"
  landed = head.frame;

invariant "told_true"
  !lied;

-- That nothing of the above holds only because it never comes to it.

cover "two merges have made a frame of the same commit"
  forall m: Merge do merges[m].phase = made & merges[m].current end;
cover "one of two merges has lost the race, and the other's frame has landed"
  landed > 0 & exists m: Merge do merges[m].phase = made & !merges[m].current end;
cover "a frame landed and its merge has not heard of it"
  exists m: Merge do merges[m].phase = unsure & merges[m].arrived & merges[m].says[peer] end;
cover "others went on from a frame whose merge has not heard of it"
  head.said[version] != nothing
  & exists m: Merge do merges[m].phase = unsure & merges[m].arrived & !merges[m].says[version] end;
cover "a push did not arrive and its merge does not know"
  exists m: Merge do merges[m].phase = unsure & merges[m].current end;
cover "all three deltas are settled"
  head.said[draft] != nothing & head.said[version] != nothing & head.said[peer] = applied;
cover "of two contents one was superseded" head.said[draft] = superseded & head.count[version] = 1;
cover "a slot was full" head.said[version] = slot_taken & head.count[draft] = 1;
cover "a version is read from history" head.hidden[draft] & head.said[draft] = nothing;
cover "a delta waits for its frame in the inbox" head.mark & head.tip[peer] & !head.copy[peer] & ahead = head.frame;
cover "a delta that had to wait was applied" head.said[peer] = applied & ahead > 0 & head.frame = ahead + 1;
cover "one copy lies in the inbox, another on the branch" branch & !head.mark & head.copy[peer];
cover "a copy came after its delta had been applied" resent & head.copy[peer] & head.said[peer] = applied;
cover "a worker without a lease went on" head.said[peer] = applied & stamp[peer] = 0;
cover "an edit was adopted, then written over by a delta" edit & head.kept & head.hand = overwritten;
cover "an edit was reverted and kept" edit & head.kept & head.hand = untouched;
cover "an edit came between a merge's reading and its push"
  edit & !head.proved & exists m: Merge do merges[m].phase = made & !merges[m].current end;
cover "the old process wrote under its lease" head.said[last] = applied;
cover "the old process wrote and released, each in time" head.said[last] = applied & head.said[release] = applied;
cover "a zombie was fenced" head.said[last] = fenced & stamp[last] = 1;
cover "a zombie without an epoch was fenced" head.said[last] = fenced & stamp[last] = 0 & head.ended[old];
cover "what was fenced came again" head.said[last] = fenced & head.copy[last];
cover "the new process wrote" head.said[heir] = applied;
cover "the new process was fenced after its lease had ended" head.said[heir] = fenced;
cover "a late reclaim did not end the new lease"
  head.said[reclaim] = void & meant[reclaim] = old & head.holder = young;
