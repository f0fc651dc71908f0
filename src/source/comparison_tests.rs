//! What becomes of two ways that disagree, fail or take too long.

use super::*;

#[test]
fn a_dump_that_disagrees_with_the_tables_is_given_up_for_them_and_tried_again_later() {
    let mut scene = Scene::auto(Script {
        full: says(&[Established(6)]),
        ..Script::default()
    });
    assert_eq!(scene.read(), (TEXT, 5, 1));
    assert!(scene.why().contains("diag-full counts 6"));
    assert_eq!(scene.ways_after(MINUTE), [TEXT]);
    let compared = [FULL, TEXT, TEXT, FULL].repeat(4);
    let ways = scene.ways_after(RELIANCE);
    assert_eq!(ways, [compared, vec![TEXT]].concat(), "compared, then read");
    assert_eq!(scene.read(), (TEXT, 5, 1), "no worse than before");
    scene.kernel().full = says(&[Established(5)]);
    scene.now += RELIANCE;
    assert_eq!(scene.read(), (DIAG, 5, 1));
}

#[test]
fn a_sparse_reading_that_disagrees_is_given_up_for_full_dumps() {
    let mut scene = Scene::auto(Script::default());
    assert_eq!(scene.read(), (DIAG, 5, 0));
    scene.kernel().diag = says(&[Established(4)]);
    scene.now += RELIANCE;
    assert_eq!(scene.read(), (FULL, 5, 1));
    assert!(scene.why().contains("diag counts 4"));
    assert_eq!(scene.ways_after(MINUTE), [FULL]);
    scene.kernel().diag = says(&[Established(5)]);
    scene.now += RELIANCE;
    assert_eq!(scene.read(), (DIAG, 5, 1));
    // The next one is another one.
    scene.kernel().diag = says(&[Established(4)]);
    scene.now += RELIANCE;
    assert_eq!(scene.read(), (FULL, 5, 2));
}

#[test]
fn one_disagreement_that_does_not_come_again_is_none() {
    let mut scene = Scene::auto(Script {
        diag: says(&[Established(4), Established(5)]),
        ..Script::default()
    });
    assert_eq!(scene.read(), (DIAG, 5, 0));
}

#[test]
fn a_disagreement_in_another_direction_is_of_sockets_that_came_and_went() {
    let mut scene = Scene::auto(Script {
        diag: says(&[
            Established(4),
            Established(4),
            Established(6),
            Established(5),
        ]),
        ..Script::default()
    });
    assert_eq!(scene.read(), (FULL, 5, 0), "the reading in doubt is not it");
    assert_eq!(scene.read(), (DIAG, 5, 0));
}

#[test]
fn less_than_nothing_and_too_few_are_the_same_disagreement() {
    let mut scene = Scene::auto(Script {
        diag: says(&[
            Answer::Negative(2),
            Established(1),
            Answer::Negative(1),
            Established(3),
        ]),
        ..Script::default()
    });
    assert_eq!(scene.read(), (FULL, 5, 1));
}

#[test]
fn less_than_nothing_in_a_comparison_is_judged_the_same() {
    for (churn, found) in [(0, (FULL, 5, 1)), (1, (FULL, 5, 0))] {
        let mut scene = Scene::auto(Script {
            diag: says(&[Answer::Negative(2)]),
            churn,
            ..Script::default()
        });
        assert_eq!(scene.read(), found, "with {churn}");
    }
}

#[test]
fn a_comparison_that_takes_too_long_goes_on_with_the_next_reading() {
    for choice in [Choice::Auto, Choice::Diag] {
        let script = Script {
            text: says(&[Stopped, Established(5)]),
            ..Script::default()
        };
        let mut scene = Scene::new(choice, script);
        assert!(scene.try_read().unwrap_err().is_stopped());
        assert_eq!(scene.read(), (DIAG, 5, 0));
    }
    // What was found before counts.
    let mut scene = Scene::auto(Script {
        diag: says(&[Stopped, Established(5)]),
        ..Script::default()
    });
    assert!(scene.try_read().unwrap_err().is_stopped());
    assert_eq!(
        scene.ways_after(MINUTE),
        [DIAG, FULL],
        "not the tables again"
    );
}

#[test]
fn a_comparison_that_never_ends_leaves_what_counts_each_socket() {
    for choice in [Choice::Auto, Choice::Diag] {
        let script = Script {
            text: says(&[Stopped]),
            ..Script::default()
        };
        let mut scene = Scene::new(choice, script);
        for _ in 0..2 {
            assert!(scene.try_read().unwrap_err().is_stopped());
        }
        assert_eq!(scene.read(), (FULL, 5, 1));
        assert_eq!(scene.ways_after(MINUTE), [FULL]);
    }
    // What was right stays, if nothing was found against it.
    let mut scene = Scene::auto(Script::default());
    scene.read();
    scene.kernel().full = says(&[Stopped]);
    scene.now += RELIANCE;
    for _ in 0..2 {
        assert!(scene.try_read().unwrap_err().is_stopped());
    }
    assert_eq!(scene.ways_after(MINUTE), [DIAG]);
}

#[test]
fn a_doubt_is_not_forgotten_because_the_time_was_up() {
    let mut scene = Scene::auto(Script::default());
    scene.read();
    scene.kernel().diag = says(&[Established(4)]);
    scene.kernel().full = says(&[Established(5), Stopped, Established(5)]);
    scene.now += RELIANCE;
    assert!(scene.try_read().unwrap_err().is_stopped());
    assert_eq!(scene.read(), (FULL, 5, 1));

    let mut scene = Scene::auto(Script::default());
    scene.read();
    scene.kernel().diag = says(&[Established(4)]);
    scene.kernel().full = says(&[Established(5), Stopped, Stopped, Established(5)]);
    scene.now += RELIANCE;
    for _ in 0..2 {
        assert!(scene.try_read().unwrap_err().is_stopped());
    }
    assert_eq!(scene.read(), (FULL, 5, 1), "nor if it never ends");
}
