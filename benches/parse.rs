//! The parser's throughput at 100,000 rows, beside reading the same bytes and doing nothing with them, as `cat` does.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark may stop at the first surprise"
)]

use std::fmt::Write;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::sync::atomic::AtomicBool;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tcpgauge::source::text::{Buffer, scan};
use tcpgauge::tcp::Counts;

const ROWS: u32 = 100_000;

/// The rows as the kernel writes them, ESTABLISHED but for a few.
fn table(address: &str) -> String {
    let mut table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n".to_owned();
    for row in 0..ROWS {
        let state = if row % 50 == 0 { row / 50 % 11 + 1 } else { 1 };
        let port = row % 28_232 + 32_768;
        writeln!(
            table,
            "{row:4}: {address}:{port:04X} {address}:1F90 {state:02X} 00000000:00000000 00:00000000 00000000     0        0 {} 1 0000000000000000 20 4 30 10 -1                 ",
            4_000_000 + row,
        )
        .unwrap();
    }
    table
}

fn parse(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    for (family, address) in [
        ("ipv4", "0100007F"),
        ("ipv6", "0000000000000000FFFF00000100007F"),
    ] {
        let table = table(address);
        let path = directory.path().join(family);
        std::fs::write(&path, &table).unwrap();
        let mut group = criterion.benchmark_group("100000_rows");
        group
            .throughput(Throughput::Bytes(table.len() as u64))
            .sample_size(30);
        let stop = AtomicBool::new(false);
        let mut buffer = Buffer::default();
        group.bench_function(BenchmarkId::new("scan", family), |bencher| {
            bencher.iter(|| {
                let mut counts = Counts::default();
                let scanned = scan(File::open(&path).unwrap(), &mut buffer, &stop, |row, _| {
                    row.state.into_iter().for_each(|state| counts.add(state, 1));
                });
                assert_eq!(scanned.unwrap().rows, u64::from(ROWS));
                black_box(counts)
            });
        });
        let mut bytes = vec![0; 128 * 1024];
        group.bench_function(BenchmarkId::new("read_only", family), |bencher| {
            bencher.iter(|| {
                let mut file = File::open(&path).unwrap();
                let mut total = 0;
                loop {
                    let count = file.read(&mut bytes).unwrap();
                    if count == 0 {
                        break;
                    }
                    total += count;
                }
                assert_eq!(total, table.len());
                black_box(&bytes);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, parse);
criterion_main!(benches);
