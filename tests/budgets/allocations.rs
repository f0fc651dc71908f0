//! The budget of a reading in memory: nothing is allocated after the first, however many sockets there are.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tcpgauge::source::chosen::Chosen;
use tcpgauge::source::details::Attention;
use tcpgauge::source::proc_root::ProcRoot;
use tcpgauge::source::ways::Ways;
use tcpgauge::source::{Choice, Options, Scope, Source};

use crate::crowd::Crowd;
use crate::enter::in_fresh_namespace;
use crate::{EVERY_WAY, own};

thread_local! {
    /// Of this thread, since other tests and the harness allocate too.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is left to the system's allocator; counting touches a constant-initialised thread local without a destructor.
#[allow(
    unsafe_code,
    reason = "an allocator cannot be counted without being one"
)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.realloc(block, layout, size) }
    }
}

fn allocations(mut what: impl FnMut()) -> u64 {
    let before = ALLOCATIONS.get();
    what();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(vec![0_u8; 100]))) > 0);
}

#[test]
fn a_reading_allocates_nothing_after_the_first() {
    for (rows, listening) in [(0, true), (1_000, false), (1_000, true), (100_000, true)] {
        let root = tempfile::tempdir().unwrap();
        let net = root.path().join("1/net");
        std::fs::create_dir_all(&net).unwrap();
        let mut table = "  sl  local_address\n".to_owned();
        for row in 0..rows {
            let state = row % 11 + 1;
            writeln!(table, "{row:4}: 0100007F:1F90 00000000:0000 {state:02X} 00000000:00000000 00:00000000 00000000     0        0 {row} 1").unwrap();
        }
        std::fs::write(net.join("tcp"), &table).unwrap();
        std::fs::write(net.join("tcp6"), &table).unwrap();
        let mut source = Ways::new(Options {
            proc_root: ProcRoot::new(root.path()),
            scope: Scope::Host,
            choice: Choice::Text,
            by_family: false,
            attention: Attention {
                listening,
                ..Attention::default()
            },
        });
        let stop = AtomicBool::new(false);
        assert_eq!(
            source.take(Source::Text, &stop).unwrap().counted.total(),
            2 * rows
        );
        let count = allocations(|| {
            assert_eq!(
                source.take(Source::Text, &stop).unwrap().counted.total(),
                2 * rows
            );
        });
        assert_eq!(count, 0, "with {rows} rows, ports told: {listening}");
    }
}

#[test]
fn a_reading_of_real_sockets_allocates_nothing_after_the_first() {
    let name = "allocations::a_reading_of_real_sockets_allocates_nothing_after_the_first";
    in_fresh_namespace(name, |_| {
        let crowd = Crowd::in_time_wait(2_000);
        let stop = AtomicBool::new(false);
        for (way, by_family) in EVERY_WAY {
            let mut source = Ways::new(own(by_family));
            source.take(way, &stop).unwrap();
            let count = allocations(|| {
                assert_eq!(
                    source.take(way, &stop).unwrap().counted.total(),
                    crowd.sockets()
                );
            });
            assert_eq!(count, 0, "{way:?}, by family: {by_family}");
        }
    });
}

#[test]
fn an_agents_reading_allocates_nothing_while_what_it_found_stands() {
    let name = "allocations::an_agents_reading_allocates_nothing_while_what_it_found_stands";
    in_fresh_namespace(name, |_| {
        let crowd = Crowd::in_time_wait(2_000);
        let stop = AtomicBool::new(false);
        for by_family in [false, true] {
            let mut source = Chosen::new(own(by_family));
            let mut now = Instant::now();
            assert_eq!(source.read(now, &stop).unwrap().source, Source::Diag);
            let count = allocations(|| {
                for _ in 0..10 {
                    now += Duration::from_secs(30);
                    assert_eq!(
                        source.read(now, &stop).unwrap().counted.total(),
                        crowd.sockets()
                    );
                }
            });
            assert_eq!(count, 0, "by family: {by_family}");
        }
    });
}
