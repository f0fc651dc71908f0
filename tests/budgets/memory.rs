//! The budget of a whole agent in memory: as much with a hundred thousand sockets as with a few.

use crate::agent::Agent;
use crate::crowd::Crowd;
use crate::enter::in_fresh_namespace;

/// And not none, as only a row has the program touch the pages that know rows.
const FEW: u64 = 60;
const MANY: u64 = 100_000;

/// Less than three bytes of each row.
const MORE_KIB: u64 = 256;

#[test]
fn an_agents_memory_does_not_grow_with_the_number_of_sockets() {
    let name = "memory::an_agents_memory_does_not_grow_with_the_number_of_sockets";
    in_fresh_namespace(name, |_| {
        // The least of some runs, as the kernel keeps count of it on each CPU and adds up now and then.
        let peak = |source: &str, in_time_wait: u64| {
            let peaks = [(); 4].map(|()| {
                let agent = Agent::after_its_first_sample(source);
                let said = &agent.sample;
                assert!(
                    said.contains(&format!("tcp_time_wait={in_time_wait} ")),
                    "{said}"
                );
                agent.peak_kib()
            });
            peaks.into_iter().min().unwrap()
        };
        let few = Crowd::in_time_wait(FEW);
        let with_few = ["text", "diag"].map(|source| peak(source, FEW));
        let crowd = Crowd::in_time_wait(MANY);
        let with_many = ["text", "diag"].map(|source| peak(source, FEW + MANY));
        for (few, many) in with_few.into_iter().zip(with_many) {
            assert!(many <= few + MORE_KIB, "{few} KiB, and {many} KiB");
        }
        assert_eq!((few.sockets(), crowd.sockets()), (FEW + 2, MANY + 10));
    });
}
