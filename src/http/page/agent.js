
// How the agent itself does.

// How delivery of one kind of thing goes, under these names of facts.
function showSent(add, [backend, queue, lost, spool], sent, waits, rejected, [one, many, part, parts]) {
  const lasted = sent.health_seconds === null ? "" : " for " + lasting(sent.health_seconds);
  const how = { works: "takes what is sent" + lasted, fails: "has not taken anything" + lasted + ": " + plain(sent.failure || ""), untried: "not tried yet" }[sent.health];
  add(backend, plain(sent.endpoint) + " (" + sent.protocol + ") " + how, sent.health === "fails");
  add(queue, (waits ? count(waits) + " " + (waits === 1 ? one + " waits" : many + " wait") + " (" + bytes(sent.waiting_bytes) + "), the oldest for " + lasting(sent.oldest_seconds) : "empty") + "; " + count(sent.sent) + " sent");
  if (sent.dropped_full + sent.dropped_old + sent.dropped_refused + rejected) add(lost, count(sent.dropped_full) + " for want of room, " + count(sent.dropped_old) + " too old, " + count(sent.dropped_refused) + " refused; " + count(rejected) + (rejected === 1 ? part : parts) + " rejected", true);
  if (sent.spool_lost) add(spool, count(sent.spool_lost) + " " + many + " are not on disk as they should be", true);
}

function showAgent(now) {
  const facts = [];
  const add = (key, text, bad) => { if (text) facts.push({ key, text, bad }); };
  add("Source", now.source ? now.source + (now.source_reason ? ": " + plain(now.source_reason) : "") : "");
  if (now.sample) {
    add("Last reading", moment(Date.parse(now.sample.time)) + ", every " + lasting(now.interval_seconds));
    const faults = now.sample.faults_in_all;
    if (faults) add("Missing", now.sample.faults.slice(0, 3).map((fault) => plain(fault.what + ": " + fault.why)).join("; ") + (faults > 3 ? "; and " + count(faults - 3) + " more" : ""), true);
  }
  if (!now.ready) add("Not ready", plain(now.why_not_ready || ""), true);
  if (now.agent) {
    const agent = now.agent;
    add("Cost", (agent.cpu_share * 100).toFixed(agent.cpu_share < 0.01 ? 2 : 1) + " % of one core on average; the last reading took " + short(agent.reading_seconds));
    if (agent.resident_bytes !== null) add("Memory", bytes(agent.resident_bytes));
  }
  add("Running for", lasting(now.uptime_seconds));
  if (now.pods) {
    const pods = now.pods, gaps = pods.gaps_budget + pods.gaps_waiting + pods.gaps_failed;
    add("Pods", count(pods.told) + " told of in the last reading; " + count(gaps) + " gaps so far" + (pods.gates_off ? "; every one is read: " + plain(pods.gates_off) : ""));
  }
  const sent = now.delivery, events = now.events;
  if (sent) showSent(add, ["Backend", "Queue", "Lost", "Spool"], sent, sent.waiting_samples, sent.rejected_points, ["sample", "samples", " point", " points"]);
  else add("Backend", "none: no samples are sent, or not yet");
  if (events) showSent(add, ["Events", "Events waiting", "Events lost", "Events on disk"], events, events.waiting_events, events.rejected_events, ["event", "events", " event", " events"]);
  else add("Events", now.why_no_events ? "not sent: " + plain(now.why_no_events) : "not sent yet");
  list($("agent"), facts, (fact) => fact.key, (fact) => {
    const group = document.createElement("div");
    group.className = "fact";
    group.append(make("dt", "", fact.key), make("dd"));
    return group;
  }, (group, fact) => {
    name(group.lastChild, fact.bad ? "bad" : "");
    set(group.lastChild, fact.text);
  });
}
