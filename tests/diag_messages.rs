//! What a kernel answers over netlink, and what it never should: bytes in, sockets or an error out, without a kernel.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use proptest::prelude::*;
use tcpgauge::source::diag::message::{Kind, MessageError, Part, read};
use tcpgauge::tcp::{Family, State};

const SEQUENCE: u32 = 7;

const GETSOCK: u16 = 18;
const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;

const TIME_WAIT_TIMER: u8 = 3;
const SHUTDOWN: u16 = 8;

/// A message as the kernel writes it, padded.
fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = 16 + body.len();
    let mut bytes = u32::try_from(length).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

fn of_dump(kind: u16, body: &[u8]) -> Vec<u8> {
    message(kind, 2, SEQUENCE, body)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len();
    let mut bytes = u16::try_from(length).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

fn socket(family: u8, state: u8, timer: u8, attributes: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 72];
    body[..3].copy_from_slice(&[family, state, timer]);
    body.extend(attributes);
    of_dump(GETSOCK, &body)
}

fn full(family: u8, state: u8) -> Vec<u8> {
    socket(family, state, 0, &attribute(SHUTDOWN, &[0]))
}

fn done() -> Vec<u8> {
    of_dump(DONE, &0_i32.to_ne_bytes())
}

/// What a message says of a socket, as far as it is counted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    family: Family,
    state: Option<State>,
    kind: Kind,
}

/// The sockets before anything that is wrong, and what came of it all.
fn seen(datagram: &[u8]) -> (Vec<Socket>, Result<Part, MessageError>) {
    let mut sockets = Vec::new();
    let part = read(datagram, SEQUENCE, |socket, kind| {
        sockets.push(Socket {
            family: socket.family,
            state: socket.state,
            kind,
        });
    });
    (sockets, part)
}

fn all(datagram: &[u8]) -> Result<(Vec<Socket>, Part), MessageError> {
    let (sockets, part) = seen(datagram);
    Ok((sockets, part?))
}

fn only(datagram: &[u8]) -> Socket {
    let (sockets, part) = all(datagram).unwrap();
    assert_eq!(part, Part::default());
    assert_eq!(sockets.len(), 1);
    sockets[0]
}

#[test]
fn every_state_of_both_families_is_told_apart() {
    for (family, number) in [(Family::Ipv4, 2), (Family::Ipv6, 10)] {
        for state in State::ALL {
            let found = only(&full(number, state as u8));
            assert_eq!((found.family, found.state), (family, Some(state)));
        }
    }
}

#[test]
fn a_state_that_no_kernel_has_yet_is_unknown_and_still_a_socket() {
    for number in [0, 13, 14, 0xff] {
        let found = only(&full(2, number));
        assert_eq!((found.state, found.kind), (None, Kind::Full), "{number}");
    }
}

#[test]
fn what_counts_a_socket_follows_from_its_kind() {
    let shutdown = attribute(SHUTDOWN, &[0]);
    let unknown = [attribute(200, b"more"), attribute(2, &[0; 16])].concat();
    let nested = attribute(SHUTDOWN | 0x8000, &[0]);
    let after_unknown = [unknown.clone(), shutdown.clone()].concat();
    for (state, timer, attributes, kind) in [
        (State::Established, 0, &shutdown, Kind::Full),
        (State::Established, 2, &unknown, Kind::Full),
        (State::Listen, 0, &Vec::new(), Kind::Full),
        (State::FinWait2, 0, &shutdown, Kind::Full),
        (State::FinWait2, TIME_WAIT_TIMER, &Vec::new(), Kind::Mini),
        (State::TimeWait, TIME_WAIT_TIMER, &Vec::new(), Kind::Mini),
        (State::TimeWait, 0, &Vec::new(), Kind::Mini),
        (State::SynReceived, 1, &Vec::new(), Kind::Request),
        (State::SynReceived, 1, &unknown, Kind::Request),
        (State::SynReceived, 1, &shutdown, Kind::Full),
        (State::SynReceived, 1, &after_unknown, Kind::Full),
        (State::SynReceived, 1, &nested, Kind::Full),
    ] {
        let found = only(&socket(10, state as u8, timer, attributes));
        assert_eq!(
            (found.state, found.kind),
            (Some(state), kind),
            "{state:?} {timer} {attributes:?}"
        );
    }
    let request = only(&socket(2, 12, 1, &[]));
    assert_eq!(
        (request.state, request.kind),
        (Some(State::SynReceived), Kind::Request),
        "NEW_SYN_RECV"
    );
}

#[test]
fn a_dump_ends_where_the_kernel_says_so() {
    let datagram = [full(2, 1), full(10, 10), done()].concat();
    let (sockets, part) = all(&datagram).unwrap();
    assert_eq!((sockets.len(), part.done), (2, true));
    // As old kernels end it, and an end that nothing follows any more.
    for end in [of_dump(DONE, &[]), of_dump(DONE, &5_i32.to_ne_bytes())] {
        let (sockets, part) = all(&[end, full(2, 1)].concat()).unwrap();
        assert_eq!((sockets.len(), part.done), (0, true));
    }
    let (_, part) = all(&full(2, 1)).unwrap();
    assert!(!part.done);
    assert_eq!(all(&[]).unwrap().1, Part::default());
}

#[test]
fn an_interrupted_dump_is_said_to_be_one_by_any_of_its_messages() {
    let interrupted = 0x10 | 0x2;
    for datagram in [
        message(DONE, interrupted, SEQUENCE, &[0; 4]),
        [message(NOOP, interrupted, SEQUENCE, &[]), done()].concat(),
    ] {
        let part = all(&datagram).unwrap().1;
        assert!(part.done && part.interrupted);
    }
}

#[test]
fn a_refusal_is_an_error_with_the_kernels_number() {
    let refused = |errno: i32| (-errno).to_ne_bytes();
    for (datagram, expected) in [
        (of_dump(ERROR, &refused(1)), MessageError::Kernel(1)),
        // With the request behind it, as without an acknowledgement's flag.
        (
            of_dump(ERROR, &[&refused(22)[..], &[0; 76]].concat()),
            MessageError::Kernel(22),
        ),
        (of_dump(DONE, &refused(2)), MessageError::Kernel(2)),
        (
            of_dump(DONE, &i32::MIN.to_ne_bytes()),
            MessageError::Kernel(i32::MAX),
        ),
        (of_dump(OVERRUN, &[]), MessageError::Overrun),
        (
            of_dump(ERROR, &[1, 2]),
            MessageError::Malformed("an error without a number"),
        ),
    ] {
        assert_eq!(all(&datagram), Err(expected));
        // Whatever came before it.
        assert_eq!(all(&[full(2, 1), datagram].concat()), Err(expected));
    }
    let said = MessageError::Kernel(2).to_string();
    assert!(said.contains("tcp_diag"), "{said}");
}

#[test]
fn an_acknowledgement_that_nobody_asked_for_ends_nothing() {
    let datagram = [of_dump(ERROR, &[0; 4]), full(2, 10), done()].concat();
    let (sockets, part) = all(&datagram).unwrap();
    assert_eq!((sockets.len(), part.done), (1, true));
}

#[test]
fn answers_to_another_request_are_passed_over() {
    for sequence in [0, SEQUENCE - 1, SEQUENCE + 1, u32::MAX] {
        let datagram = [
            message(DONE, 2, sequence, &[0; 4]),
            message(ERROR, 2, sequence, &(-1_i32).to_ne_bytes()),
            message(GETSOCK, 0x12, sequence, &[0xff; 80]),
            full(2, 10),
        ]
        .concat();
        only(&datagram);
    }
}

#[test]
fn what_is_no_message_is_an_error_and_no_count() {
    let whole = full(2, 10);
    let with_length = |length: u32| {
        let mut bytes = whole.clone();
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    };
    let length = u32::try_from(whole.len()).unwrap();
    let mut cases: Vec<(String, Vec<u8>)> = (1..whole.len())
        .map(|at| (format!("cut at {at}"), whole[..at].to_vec()))
        .collect();
    for wrong in [0, 1, 15, length + 1, length + 4, u32::MAX] {
        cases.push((format!("length {wrong}"), with_length(wrong)));
    }
    // A header, and less than a socket.
    for short in [16, 17, 16 + 71] {
        cases.push((
            format!("a socket of {short} bytes"),
            with_length(short)[..usize::try_from(short).unwrap()].to_vec(),
        ));
    }
    for family in [0, 1, 3, 9, 11, 0xff] {
        cases.push((format!("family {family}"), full(family, 10)));
    }
    for kind in [0, 5, 16, 17, 19, 20, u16::MAX] {
        cases.push((format!("type {kind}"), of_dump(kind, &[0; 72])));
    }
    for attributes in [
        vec![1, 0, 8],
        vec![3, 0, 5, 0],
        vec![0, 0, 0, 0],
        vec![9, 0, 5, 0, 1, 2],
        [attribute(5, &[1; 3]), vec![0xff, 0xff, 5, 0]].concat(),
    ] {
        let of = format!("attributes {attributes:?}");
        cases.push((of, socket(2, 3, 1, &attributes)));
    }
    for (case, datagram) in cases {
        let found = all(&datagram);
        assert!(
            matches!(found, Err(MessageError::Malformed(_))),
            "{case}: {found:?}"
        );
        let behind = all(&[full(2, 1), datagram].concat());
        assert!(behind.is_err(), "{case}, behind a good one");
    }
}

#[test]
fn the_last_message_need_not_be_padded() {
    let mut datagram = of_dump(NOOP, b"12345");
    datagram.truncate(16 + 5);
    assert_eq!(all(&datagram).unwrap().1, Part::default());
}

/// A message that is right, or nearly.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 0..120);
    let nearly = (0_u16..24, any::<u16>(), 6_u32..9, body)
        .prop_map(|(kind, flags, sequence, body)| message(kind, flags, sequence, &body));
    let family = prop_oneof![4 => Just(2_u8), 4 => Just(10), 1 => any::<u8>()];
    let right = (family, 0_u8..16, 0_u8..5, 0_u16..12).prop_map(|(family, state, timer, kind)| {
        socket(family, state, timer, &attribute(kind, &[0]))
    });
    prop_oneof![3 => right, 2 => nearly, 1 => Just(done())]
}

proptest! {
    /// Whatever comes: an answer, in the end, and never more sockets than there is room for.
    #[test]
    fn any_bytes_are_sockets_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let mut sockets = 0;
        let _ = read(&bytes, SEQUENCE, |_, _| sockets += 1);
        prop_assert!(sockets <= bytes.len() / 88);
    }

    #[test]
    fn messages_with_some_bytes_changed_are_sockets_or_an_error(
        messages in proptest::collection::vec(any_message(), 0..12),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = messages.concat();
        for (place, byte) in changes {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        let all_of_it = bytes.len();
        let (before, whole) = seen(&bytes);
        bytes.truncate(cut.index(all_of_it + 1));
        let (sockets, part) = seen(&bytes);
        // What a cut leaves is what was there, or an error.
        prop_assert!(before.starts_with(&sockets));
        if let (Ok(whole), Ok(part)) = (whole, part) {
            prop_assert!(!part.done || whole.done);
        }
    }
}
