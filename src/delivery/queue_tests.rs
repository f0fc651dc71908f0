use super::super::block::RECORD_OVERHEAD_BYTES as OVERHEAD_BYTES;
use super::*;

const DAY: Duration = Duration::from_hours(24);

fn queue(bytes: usize) -> Queue {
    Queue::new(Bounds { bytes, age: DAY })
}

fn push(queue: &mut Queue, body: Vec<u8>, now: Instant) {
    queue.push(body, now, now);
}

/// The first byte of each record, of a batch that is as it was put in.
fn bodies(batch: &Batch) -> Vec<u8> {
    let Payload::Plain(bodies) = &batch.payload else {
        panic!("sealed: {batch:?}");
    };
    assert_eq!(bodies.len(), batch.records);
    assert_eq!(bodies.iter().map(Bytes::len).sum::<usize>(), batch.bytes);
    bodies.iter().map(|body| body[0]).collect()
}

/// What a batch is, uncompressed.
fn plain(batch: &Batch) -> Vec<u8> {
    match &batch.payload {
        Payload::Plain(bodies) => bodies.concat(),
        Payload::Gzip { bytes, plain_bytes } => {
            let mut plain = Vec::new();
            std::io::Read::read_to_end(&mut flate2::bufread::GzDecoder::new(&**bytes), &mut plain)
                .unwrap();
            assert_eq!((plain.len(), batch.bytes), (*plain_bytes, *plain_bytes));
            plain
        }
    }
}

fn is_sealed(batch: &Batch) -> bool {
    matches!(batch.payload, Payload::Gzip { .. })
}

/// A record of 2,600 bytes, some of which are its number's and some nobody could guess.
fn sample(number: u32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(u64::from(number));
    let mut body = number.to_be_bytes().to_vec();
    body.extend(std::iter::repeat_with(|| random.u8(..)).take(60));
    body.extend((0..2_536_u32).map(|place| place.wrapping_mul(2_654_435_761).to_be_bytes()[0]));
    body
}

/// The numbers of the samples in a batch.
fn numbers(batch: &Batch) -> Vec<u32> {
    let plain = plain(batch);
    let samples = plain.chunks(sample(0).len());
    samples
        .map(|sample| u32::from_be_bytes(sample[..4].try_into().unwrap()))
        .collect()
}

fn backlog(bytes: usize, samples: u32, now: Instant) -> Queue {
    let mut queue = queue(bytes);
    (0..samples).for_each(|number| push(&mut queue, sample(number), now));
    queue
}

#[test]
fn the_oldest_leave_first_as_far_as_a_request_holds_them() {
    let mut queue = queue(1 << 20);
    let now = Instant::now();
    (0..10).for_each(|n| push(&mut queue, vec![n; 100], now));
    let batch = queue.batch(350, true).unwrap();
    assert_eq!(bodies(&batch), [0, 1, 2]);
    queue.delivered(&batch);
    assert_eq!(
        bodies(&queue.batch(1, true).unwrap()),
        [3],
        "one that is too large alone goes alone"
    );
    assert_eq!((queue.len(), queue.dropped(), queue.first()), (7, 0, 3));
}

#[test]
fn the_byte_bound_is_never_exceeded_and_drops_the_oldest() {
    let mut queue = queue(10 * (100 + OVERHEAD_BYTES));
    let now = Instant::now();
    for n in 0..50 {
        push(&mut queue, vec![n; 100], now);
        assert!(queue.bytes() <= queue.bounds.bytes);
    }
    assert_eq!(
        bodies(&queue.batch(usize::MAX, true).unwrap()),
        (40..50).collect::<Vec<_>>()
    );
    assert_eq!(queue.dropped(), 40);
    push(&mut queue, vec![0; 1 << 20], now);
    assert!(
        queue.is_empty(),
        "a record over the bound does not fit by itself either"
    );
    assert_eq!((queue.dropped(), queue.bytes()), (51, 0));
}

#[test]
fn what_has_waited_for_longer_than_the_age_is_dropped() {
    let mut queue = queue(1 << 20);
    let start = Instant::now();
    push(&mut queue, vec![0], start);
    push(&mut queue, vec![1], start + DAY);
    assert_eq!(queue.len(), 2, "at the bound, not over it");
    let later = start + DAY + Duration::from_secs(1);
    queue.expire(later);
    assert_eq!(
        (bodies(&queue.batch(9, true).unwrap()), queue.dropped()),
        (vec![1], 1)
    );
    assert_eq!(queue.oldest_age(later), Duration::from_secs(1));
}

#[test]
fn what_is_dropped_while_it_is_on_its_way_and_arrives_was_not_dropped() {
    let mut queue = queue(4 * (1 + OVERHEAD_BYTES));
    let now = Instant::now();
    (0..4).for_each(|n| push(&mut queue, vec![n], now));
    let batch = queue.batch(2, true).unwrap();
    (4..7).for_each(|n| push(&mut queue, vec![n], now));
    assert_eq!(queue.dropped(), 3);
    queue.delivered(&batch);
    assert_eq!(
        (bodies(&queue.batch(9, true).unwrap()), queue.dropped()),
        (vec![3, 4, 5, 6], 1)
    );
    let batch = queue.batch(1, true).unwrap();
    queue.refused(&batch);
    assert_eq!((queue.len(), queue.dropped()), (3, 2));
    let tally = queue.tally();
    assert_eq!((tally.pushed, tally.sent), (7, 2));
    assert_eq!(
        (tally.dropped_full, tally.dropped_old, tally.dropped_refused),
        (1, 0, 1)
    );
}

#[test]
fn a_backlog_is_sealed_and_gives_back_what_was_put_in() {
    let mut queue = backlog(16 << 20, 1000, Instant::now());
    let (mut sealed, mut all) = (0, Vec::new());
    while let Some(batch) = queue.batch(1 << 20, true) {
        sealed += usize::from(is_sealed(&batch)) * batch.records;
        assert!(batch.bytes <= 1 << 20);
        all.extend(plain(&batch));
        queue.delivered(&batch);
    }
    assert_eq!(all, (0..1000).flat_map(sample).collect::<Vec<_>>());
    let unsealed = (1000 - sealed) * 2600;
    assert!(
        (PART_BYTES..=2 * PART_BYTES).contains(&unsealed),
        "{unsealed}"
    );
    assert_eq!((queue.len(), queue.bytes(), queue.plain_bytes), (0, 0, 0));
    assert_eq!((queue.tally().sent, queue.dropped()), (1000, 0));
}

#[test]
fn a_sealed_block_goes_whole_or_record_by_record_as_is_asked_for() {
    let mut queue = backlog(16 << 20, 400, Instant::now());
    let whole = queue.batch(1 << 20, true).unwrap();
    assert!(is_sealed(&whole));
    let unpacked = queue.batch(1 << 20, false).unwrap();
    assert!(!is_sealed(&unpacked));
    assert_eq!(
        (plain(&unpacked), unpacked.records),
        (plain(&whole), whole.records)
    );

    let half = queue.batch(whole.bytes / 2, true).unwrap();
    assert!(!is_sealed(&half));
    assert!(half.bytes <= whole.bytes / 2 && half.bytes > whole.bytes / 2 - 2600);
    let one = queue.batch(1, true).unwrap();
    assert_eq!(numbers(&one), [0]);
    queue.refused(&one);
    let rest = queue.batch(1 << 20, true).unwrap();
    assert!(!is_sealed(&rest), "for one record of it is gone");
    assert_eq!(numbers(&rest)[..2], [1, 2]);
    assert_eq!(
        rest.records,
        whole.records - 1,
        "no more than the block has"
    );
    queue.delivered(&rest);
    assert!(is_sealed(&queue.batch(1 << 20, true).unwrap()));
}

#[test]
fn within_a_block_records_grow_old_one_by_one() {
    let start = Instant::now();
    let mut queue = queue(16 << 20);
    for number in 0..300 {
        let now = start + Duration::from_secs(number.into());
        queue.push(sample(number), now, now);
    }
    assert!(is_sealed(&queue.batch(1 << 20, true).unwrap()));
    for gone in [0, 1, 50, 150, 250] {
        queue.expire(start + DAY + Duration::from_secs(gone.into()));
        let batch = queue.batch(1 << 20, true).unwrap();
        assert_eq!(numbers(&batch)[0], gone);
        assert_eq!(
            (queue.first(), queue.tally().dropped_old),
            (gone.into(), gone.into())
        );
    }
}

#[test]
fn the_byte_bound_holds_with_blocks_and_drops_whole_ones() {
    for bytes in [16 << 10, 64 << 10, 1 << 20] {
        let mut queue = queue(bytes);
        let now = Instant::now();
        for number in 0..8000 {
            push(&mut queue, sample(number), now);
            assert!(queue.bytes() <= bytes, "{number}");
        }
        let counted: usize = queue.blocks.iter().map(Block::cost).sum::<usize>()
            + queue.plain.iter().map(Record::cost).sum::<usize>();
        assert_eq!(queue.bytes(), counted);
        let first = queue.first();
        assert_eq!(queue.tally().dropped_full, first);
        assert_eq!(queue.len() as u64, 8000 - first);
        let mut expected = u32::try_from(first).unwrap();
        while let Some(batch) = queue.batch(1 << 20, true) {
            for number in numbers(&batch) {
                assert_eq!(number, expected);
                expected += 1;
            }
            queue.delivered(&batch);
        }
        assert_eq!((expected, queue.bytes()), (8000, 0));
    }
}

#[test]
fn a_block_that_is_dropped_while_it_is_on_its_way_and_arrives_was_not_dropped() {
    let now = Instant::now();
    let mut queue = backlog(1 << 20, 1000, now);
    let before = queue.tally();
    let batch = queue.batch(1 << 20, true).unwrap();
    assert!(is_sealed(&batch));
    let mut number = 1000;
    while queue.first() < batch.first + batch.records as u64 {
        push(&mut queue, sample(number), now);
        number += 1;
    }
    queue.delivered(&batch);
    let tally = queue.tally();
    assert_eq!(tally.sent, batch.records as u64);
    let accounted = tally.sent + tally.dropped_full + queue.len() as u64;
    assert_eq!(accounted, tally.pushed);
    assert!(tally.dropped_full >= before.dropped_full);
}

#[test]
fn a_record_larger_than_a_block_is_sealed_alone_and_goes_alone() {
    let mut queue = queue(16 << 20);
    let now = Instant::now();
    push(&mut queue, vec![1; 3 << 20], now);
    assert!(queue.bytes() > 3 << 20, "the newest is never sealed");
    push(&mut queue, vec![2; 10], now);
    assert!(queue.bytes() < 1 << 20);
    let batch = queue.batch(1 << 20, true).unwrap();
    assert_eq!(bodies(&batch), [1]);
    queue.delivered(&batch);
    assert_eq!(bodies(&queue.batch(1 << 20, true).unwrap()), [2]);
}

#[test]
fn a_block_that_cannot_be_unpacked_does_not_stop_what_comes_after_it() {
    let mut queue = backlog(16 << 20, 400, Instant::now());
    queue.blocks[0].damage();
    let lost = queue.blocks[0].len();
    let batch = queue.batch(1 << 20, false).unwrap();
    assert_eq!(numbers(&batch)[0] as usize, lost);
    assert_eq!(queue.dropped(), lost as u64);
}
