//! What is wrong with rules that cannot be, said with the rule and the key; and how many there can be.

use super::*;

fn with(text: &str) -> Result<Rules, Vec<String>> {
    Rules::defaults().with(&text.parse().unwrap())
}

/// What is wrong, and what is said of it.
const FAULTS: &[(&str, &str)] = &[
    (
        "[Memory]\nabove = 1",
        "alert.\"Memory\": a rule's name has up to 64 letters a to z, digits and -",
    ),
    ("[\"\"]\nabove = 1", "alert.\"\": a rule's name has"),
    (
        "memory = 3",
        "alert.memory: must be a table: write [alert.memory], and its keys below",
    ),
    (
        "memry = 3",
        "alert.memry: must be a table: write [alert.memry], and its keys below (did you mean memory?)",
    ),
    (
        "[memry]\nabove = 3",
        "alert.memry.metric: is missing, and there is no rule of that name to be changed (did you mean memory?)",
    ),
    (
        "[memory]\nabvoe = 3",
        "alert.memory.\"abvoe\": there is no such key (did you mean above?)",
    ),
    (
        "[memory]\nmetric = \"tcp_listn\"",
        "alert.memory.metric: must be one of tcp_connections, tcp_established",
    ),
    (
        "[memory]\nmetric = 3",
        "alert.memory.metric: must be one of",
    ),
    (
        "[memory]\nkind = \"treshold\"",
        "alert.memory.kind: must be one of threshold, growth, settled, range (did you mean threshold?)",
    ),
    (
        "[memory]\nseverity = \"criticl\"",
        "alert.memory.severity: must be one of info, warning, critical (did you mean critical?)",
    ),
    (
        "[memory]\nscope = \"host\"",
        "alert.memory.scope: must be an array of \"host\", \"pods\" or both",
    ),
    (
        "[accept-queue]\nscope = [\"host\", \"pods\"]",
        "alert.accept-queue.scope: accept_queue is never known of pods: must be [\"host\"]",
    ),
    (
        "[x]\nmetric = \"memory\"\nabove = 3\nscope = [\"pods\"]",
        "alert.x.scope: memory is never known of pods",
    ),
    (
        "[memory]\nscope = []",
        "alert.memory.scope: must be an array",
    ),
    (
        "[memory]\nscope = [\"host\", \"pod\"]",
        "alert.memory.scope: must be an array",
    ),
    (
        "[memory]\nenabled = \"no\"",
        "alert.memory.enabled: must be true or false",
    ),
    (
        "[memory]\nfor = 300",
        "alert.memory.for: must be a duration with a unit, such as \"5m\", from 0s to 168h",
    ),
    (
        "[memory]\nfor = \"8d\"",
        "alert.memory.for: must be a duration",
    ),
    (
        "[memory]\nclear_for = \"-1s\"",
        "alert.memory.clear_for: must be a duration with a unit, such as \"2m\"",
    ),
    (
        "[memory]\nabove = \"9\"",
        "alert.memory.above: must be a number from 0 to 1000000000",
    ),
    (
        "[memory]\nabove = -1",
        "alert.memory.above: must be a number from 0",
    ),
    (
        "[memory]\nabove = nan",
        "alert.memory.above: must be a number from 0",
    ),
    (
        "[memory]\nabove = inf",
        "alert.memory.above: must be a number from 0",
    ),
    (
        "[memory]\nabove = 1\nbelow = 2",
        "alert.memory.below: does not go with above: a threshold is one of them",
    ),
    (
        "[memory]\nclear = 91",
        "alert.memory.clear: 91 is on the wrong side of 90: nothing would ever be over",
    ),
    (
        "[memory]\nbelow = 5\nclear = 4",
        "alert.memory.clear: 4 is on the wrong side of 5",
    ),
    (
        "[memory]\nwindow = \"1h\"",
        "alert.memory.window: means nothing to a rule of kind threshold, which has above, below, clear",
    ),
    (
        "[own]\nmetric = \"tcp_listen\"",
        "alert.own.above: is missing, and so is below: a threshold is one of them",
    ),
    (
        "[ports]\nabove = 49",
        "alert.ports.above: of ports must be 50 or more: below that they are not counted",
    ),
    (
        "[ports]\nabove = 100",
        "alert.ports.above: of ports must be less than 100: there are no more than all",
    ),
    (
        "[own]\nmetric = \"tcp_listen\"\nbelow = 0",
        "alert.own.below: must be more than 0: nothing is less than that",
    ),
    (
        "[ports]\nkind = \"growth\"",
        "alert.ports.kind: of ports is threshold",
    ),
    (
        "[close-wait-growing]\nwindow = \"5m\"",
        "alert.close-wait-growing.window: must be a duration with a unit, such as \"30m\", from 6m to 24h",
    ),
    (
        "[close-wait-growing]\nrise = 0.5",
        "alert.close-wait-growing.rise: must be a number from 1",
    ),
    (
        "[close-wait-growing]\nabove = 3",
        "alert.close-wait-growing.above: means nothing to a rule of kind growth, which has window, rise",
    ),
    (
        "[listen-gone]\nmetric = \"memory\"",
        "alert.listen-gone.kind: settled is for tcp_listen alone: other numbers never settle",
    ),
    (
        "[listen-gone]\nside = \"left\"",
        "alert.listen-gone.side: must be one of above, below",
    ),
    (
        "[listen-gone]\nsettle = \"0s\"",
        "alert.listen-gone.settle: must be a duration",
    ),
    (
        "[listen-gone]\naccept_after = \"59s\"",
        "alert.listen-gone.accept_after: must be a duration",
    ),
    (
        "[own]\nmetric = \"tcp_listen\"\nkind = \"settled\"",
        "alert.own.side: is missing: above or below",
    ),
    (
        "[own]\nmetric = \"tcp_listen\"\nkind = \"range\"",
        "alert.own.side: is missing: above or below",
    ),
    (
        "[connections-surge]\nfactor = 1",
        "alert.connections-surge.factor: must be a number from 1.01 to 1000",
    ),
    (
        "[connections-collapse]\nfactor = 1",
        "alert.connections-collapse.factor: must be a number from 0.001 to 0.99",
    ),
    (
        "[connections-surge]\nleast = 0",
        "alert.connections-surge.least: must be a number from 1",
    ),
    (
        "[connections-surge]\nwindow = \"59m\"",
        "alert.connections-surge.window: must be a duration",
    ),
    (
        "[connections-surge]\nwarm_up = \"61m\"",
        "alert.connections-surge.warm_up: must be a duration with a unit, such as \"20m\", from 1m to 1h",
    ),
    (
        "[connections-surge]\naccept_after = \"1s\"",
        "alert.connections-surge.accept_after: must be a duration",
    ),
    (
        "[connections-surge]\naccept_after = \"5m\"",
        "alert.connections-surge.accept_after: 5m is not longer than for, 5m: it would be accepted before it was told",
    ),
    (
        "[listen-gone]\nfor = \"2h\"",
        "alert.listen-gone.accept_after: 1h is not longer than for, 2h",
    ),
    (
        "[memory]\nrunbook = \"a\\nb\"",
        "alert.memory.runbook: must be a string of up to 300 bytes, without control characters",
    ),
    (
        "[memory]\nsteps = [3]",
        "alert.memory.steps: must be an array",
    ),
    (
        "[memory]\nsteps = \"s\"",
        "alert.memory.steps: must be an array",
    ),
];

#[test]
fn each_fault_is_said_with_its_rule_and_its_key() {
    let long = format!("[memory]\nwhy = \"{}\"", "x".repeat(301));
    let many = format!("[memory]\nsteps = [{}]", "\"s\",".repeat(7));
    let made = [
        (
            &*long,
            "alert.memory.why: must be a string of up to 300 bytes",
        ),
        (
            &*many,
            "alert.memory.steps: must be an array of up to 6 strings",
        ),
    ];
    for (text, says) in FAULTS.iter().copied().chain(made) {
        let faults = with(text).expect_err(text);
        assert!(
            faults.iter().any(|fault| fault.starts_with(says)),
            "{text}: {faults:#?}"
        );
    }
}

#[test]
fn all_faults_of_all_rules_are_said_at_once() {
    let faults =
        with("[memory]\nabvoe = 1\nfor = 3\nseverity = \"x\"\n[ports]\nabove = 1\n[own]\n")
            .unwrap_err();
    let of = |rule: &str| {
        faults
            .iter()
            .filter(|fault| fault.starts_with(rule))
            .count()
    };
    assert_eq!(
        (of("alert.memory."), of("alert.ports."), of("alert.own.")),
        (3, 1, 2),
        "{faults:#?}"
    );
}

#[test]
fn there_are_as_many_rules_as_there_can_be_and_no_more() {
    let many = |number: usize| {
        let tables = (0..number).map(|n| format!("[own-{n}]\nmetric = \"memory\"\nabove = 1\n"));
        with(&tables.collect::<String>())
    };
    let defaults = Rules::defaults().iter().count();
    assert_eq!(
        many(MOST_RULES - defaults).unwrap().iter().count(),
        MOST_RULES
    );
    let faults = many(MOST_RULES - defaults + 1).unwrap_err();
    assert_eq!(faults, ["alert: 65 rules are more than 64"]);
}
