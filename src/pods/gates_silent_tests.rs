//! What a kernel does without counting, in any order.

use proptest::prelude::*;

use super::*;

/// What happens in it without a segment. Each socket is of IPv4 or of IPv6.
const SILENT: [fn(&mut Kernel, usize); 12] = [
    |kernel, family| kernel.move_to(family, None, Some(State::Listen)),
    |kernel, family| kernel.move_to(family, Some(State::Listen), None),
    |kernel, family| kernel.move_to(family, Some(State::SynSent), None),
    |kernel, family| kernel.move_to(family, Some(State::SynReceived), None),
    |kernel, family| kernel.move_to(family, Some(State::FinWait1), None),
    |kernel, family| kernel.move_to(family, Some(State::LastAck), None),
    |kernel, family| kernel.move_to(family, Some(State::Closing), None),
    |kernel, family| kernel.move_to(family, Some(State::TimeWait), None),
    // At a zero window the FIN waits as well.
    |kernel, family| kernel.move_to(family, Some(State::Established), Some(State::FinWait1)),
    |kernel, family| kernel.move_to(family, Some(State::CloseWait), Some(State::LastAck)),
    // A whole socket in FIN_WAIT2 is closed.
    |kernel, family| {
        let whole = kernel.counts[family].get(State::FinWait2) - kernel.minis[family];
        kernel.minis[family] += whole.min(1);
    },
    // A mini-socket runs out.
    |kernel, family| {
        if kernel.minis[family] > 0 {
            kernel.minis[family] -= 1;
            kernel.move_to(family, Some(State::FinWait2), None);
        }
    },
];

/// What a segment does, or has been sent for.
const LOUD: [(Option<State>, Option<State>); 9] = [
    (None, Some(State::SynSent)),
    (None, Some(State::SynReceived)),
    (Some(State::SynReceived), Some(State::Established)),
    (Some(State::SynSent), Some(State::Established)),
    (Some(State::Established), Some(State::CloseWait)),
    (Some(State::Established), Some(State::FinWait1)),
    (Some(State::FinWait1), Some(State::TimeWait)),
    (Some(State::CloseWait), Some(State::LastAck)),
    (Some(State::Established), None),
];

/// Some sockets, few enough of each kind that what comes makes up for what goes.
fn kernels() -> impl Strategy<Value = Kernel> {
    let few = || prop_oneof![3 => Just(0), 1 => 0..3_u64];
    let family = || proptest::collection::vec(few(), State::ALL.len());
    (family(), family(), 0..3_u64, any::<bool>()).prop_map(|(ipv4, ipv6, minis, is_old)| {
        let mut kernel = Kernel {
            is_old,
            ..Kernel::default()
        };
        for (family, numbers) in [ipv4, ipv6].into_iter().enumerate() {
            for (state, number) in State::ALL.into_iter().zip(numbers) {
                // No kernel shows what is closed.
                let is_shown = state != State::Closed;
                kernel.counts[family].add(state, if is_shown { number } else { 0 });
            }
            kernel.minis[family] = minis.min(kernel.counts[family].get(State::FinWait2));
        }
        kernel
    })
}

/// What happens, in families.
fn events<E: Copy + std::fmt::Debug + 'static>(
    what: &'static [E],
) -> impl Strategy<Value = Vec<(E, usize)>> {
    let one = prop::sample::select(what);
    proptest::collection::vec((one, 0..2_usize), 0..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30_000))]

    #[test]
    fn nothing_that_happens_silently_fools_what_is_held(then in kernels(), since in events(&SILENT)) {
        let mut now = then;
        for (happens, family) in since {
            happens(&mut now, family);
        }
        if let Some((Gate::Hold, counted)) = judge(&then.anchor(), &now.everything(), &after(INTERVAL)) {
            prop_assert_eq!(counted, now.counted());
        }
    }

    /// While the same processes live: whoever takes a listener's place without one of them ending is taken for it.
    #[test]
    fn what_is_derived_is_right_where_there_are_only_listeners_and_time_wait(
        listeners in 0..3_u64, waiting in 0..3_u64, segments in events(&LOUD), since in events(&SILENT),
    ) {
        let then = kernel(&[(State::Listen, listeners), (State::TimeWait, waiting)]);
        let mut now = then;
        for ((from, to), family) in segments {
            now.move_to(family, from, to);
            now.segments += 1;
        }
        for (happens, family) in since {
            happens(&mut now, family);
        }
        if let Some((Gate::Derive, counted)) = judge(&then.anchor(), &now.everything(), &after(INTERVAL)) {
            let (told, both) = (counted.sockets.both(), now.both());
            if only_listens(&both) {
                prop_assert_eq!(told, both);
            }
            // Even then, no connection is missed that the kernel counts, and nothing but requests is left out.
            prop_assert_eq!(both.get(State::Established), 0);
            prop_assert_eq!(told.total() + both.get(State::SynReceived), both.total());
        }
    }

    #[test]
    fn a_table_that_is_passed_over_has_nothing_but_requests(kernel in kernels()) {
        let now = kernel.everything();
        let (first, other) = match first_table(&now) {
            Family::Ipv4 => (0, 1),
            Family::Ipv6 => (1, 0),
        };
        if other_is_empty(first_table(&now), &kernel.found(first), &now, &now) {
            let left = kernel.counts[other];
            prop_assert_eq!(left.total(), left.get(State::SynReceived));
        }
    }
}
