//! A backlog that is sealed, and requests that are held back for the fleet's sake.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_backlog_goes_in_sealed_blocks_as_they_are() {
    let run = Run::with_backlog(Vec::new());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(run.taken(), (0..200).collect::<Vec<_>>());
    assert!(Run::records(&run.sealed).len() > 100);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_gzip_gets_everything_unpacked_at_once_and_is_not_asked_again() {
    let run = Run::with_backlog(vec![Step::TakeNoGzip]);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(run.taken(), (0..200).collect::<Vec<_>>());
    (0..200).for_each(|number| {
        run.outbox.push(vec![number; LARGE]);
    });
    sleep(Duration::from_millis(1)).await;
    assert_eq!(run.taken().len(), 400);
    assert_eq!(run.sealed.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_sees_gzip_where_there_is_none_makes_no_storm() {
    let run = Run::start(vec![Step::MisunderstandGzip]);
    run.outbox.push(vec![0; 100]);
    sleep(Duration::from_hours(1)).await;
    assert_eq!(run.outbox.waiting(), 1);
    assert!((60..400).contains(&run.tries().len()));
}

#[tokio::test(start_paused = true)]
async fn a_sealed_block_is_halved_until_it_fits_or_its_one_bad_record_stands_alone() {
    let run = Run::with_backlog(vec![Step::RefuseMoreThan(3)]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(run.taken(), (0..200).collect::<Vec<_>>());

    for bad in [0, 13, 25, 26, 199] {
        let run = Run::with_backlog(vec![Step::RefuseRecord(Code::InvalidArgument, bad)]);
        sleep(Duration::from_secs(1)).await;
        let expected: Vec<u8> = (0..200).filter(|number| *number != bad).collect();
        assert_eq!(run.taken(), expected, "bad record {bad}");
        let stats = run.outbox.stats();
        assert_eq!((stats.dropped_refused, stats.sent), (1, 199));
    }
}

#[tokio::test(start_paused = true)]
async fn records_are_held_back_for_the_hosts_own_time_but_not_the_first() {
    let spread = Duration::from_millis(3456);
    let run = Run::start_spread(Vec::new(), spread);
    run.samples(0..4).await;
    let times: Vec<_> = run.tries().into_iter().map(|(time, _)| time).collect();
    let expected = [0, 30, 60, 90].map(|second| {
        let tick = Duration::from_secs(second);
        if second == 0 { tick } else { tick + spread }
    });
    for (time, expected) in times.iter().zip(expected) {
        assert!(
            time.abs_diff(expected) < Duration::from_millis(5),
            "{times:?}"
        );
    }
    assert_eq!(times.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_held_back_while_a_backlog_waits() {
    let spread = Duration::from_secs(5);
    let silences = (0..6).map(|_| Step::Silence(Duration::from_secs(50)));
    let run = Run::start_spread(silences.collect(), spread);
    (0..100).for_each(|number| {
        run.outbox.push(vec![number; LARGE]);
    });
    sleep(Duration::from_mins(8)).await;
    let times: Vec<_> = run
        .taken
        .lock()
        .unwrap()
        .iter()
        .map(|(time, _)| *time)
        .collect();
    assert_eq!(run.taken().len(), 100);
    assert!(
        times.len() > 1 && times[times.len() - 1].abs_diff(times[0]) < spread,
        "{times:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn leaving_holds_nothing_back() {
    let run = Run::start_spread(Vec::new(), Duration::from_secs(5));
    run.samples(0..1).await;
    run.outbox.push(vec![1; 100]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(run.taken(), [0], "the second is held back");
    let before = Instant::now();
    let _ = run.leave.send(true);
    run.sender.await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(Run::records(&run.taken), [0, 1]);
}
