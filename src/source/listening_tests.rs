use super::*;

fn wanted() -> Attention {
    Attention {
        listening: true,
        ..Attention::default()
    }
}

fn at(local: SocketAddr, uid: u32) -> Made {
    Made {
        local,
        uid,
        ..listener(0, 0, 1)
    }
}

fn one(port: u16, sockets: u32, user: u32) -> Listening {
    Listening {
        port,
        sockets,
        user: Some(user),
    }
}

fn ports(numbers: std::ops::Range<u16>) -> Vec<Made> {
    numbers.map(|port| at(v4(port), 0)).collect()
}

#[test]
fn each_port_is_told_once_in_order_with_its_sockets_of_both_families() {
    let sockets = [
        at(v4(443), 33),
        at(v4(80), 0),
        at(v4(443), 34),
        close_wait(v4(8080), REMOTE, 0, 9),
        at(v6(22), 5),
        at(v6(80), 6),
    ];
    let expected = [one(22, 1, 5), one(80, 2, 0), one(443, 2, 33)];
    for found in [
        over_netlink(&sockets, wanted()),
        in_the_tables(&sockets, wanted(), false),
    ] {
        assert_eq!(found.listening.as_deref(), Some(&expected[..]));
    }
}

#[test]
fn where_nobody_listens_that_is_told_and_where_nobody_asks_nothing_is() {
    let found = |attention| over_netlink(&[], attention).listening;
    assert_eq!(found(wanted()).as_deref(), Some(&[][..]));
    assert_eq!(found(Attention::default()), None);
}

#[test]
fn of_more_ports_than_are_told_none_is() {
    let most = u16::try_from(MOST_LISTENING).unwrap();
    let found = |sockets: &[Made]| over_netlink(sockets, wanted());
    let all = found(&ports(1..most + 1));
    assert_eq!(all.listening.as_ref().unwrap().len(), MOST_LISTENING);
    assert_eq!(found(&ports(1..most + 2)).listening, None);
    // The same one again is no more.
    let mut again = all.clone();
    again.merge(all.clone());
    assert_eq!(again.listening.as_ref().unwrap()[0], one(1, 2, 0));
    let mut more = all;
    more.merge(found(&ports(most + 1..most + 2)));
    assert_eq!(more.listening, None);
}

#[test]
fn of_two_namespaces_the_ports_are_told_if_those_of_both_are() {
    let found = |sockets: &[Made]| over_netlink(sockets, wanted());
    let mut both = found(&[at(v4(80), 7), at(v4(22), 0)]);
    both.merge(found(&[at(v4(443), 0), at(v4(80), 8)]));
    let expected = [one(22, 1, 0), one(80, 2, 7), one(443, 1, 0)];
    assert_eq!(both.listening.as_deref(), Some(&expected[..]));
    both.merge(Details::default());
    assert_eq!(both.listening, None);
}

#[test]
fn ports_that_are_those_of_the_reading_before_are_the_same_memory() {
    let mut watcher = Watcher::new(wanted());
    let mut read = |numbers: std::ops::Range<u16>| {
        watcher.begin();
        for made in ports(numbers) {
            let seen = message::read(&made.message(), 1, |socket, _| watcher.see(socket));
            seen.unwrap();
        }
        watcher.end().listening.unwrap()
    };
    let first = read(1..9);
    assert!(Arc::ptr_eq(&first, &read(1..9)));
    assert_eq!(read(1..8).len(), 7);
    // What was told stays what it was.
    assert_eq!(first.len(), 8);
}
