//! What happens where there are more groups than there is room for.

use super::*;

#[test]
fn who_came_in_by_a_port_that_nobody_listens_on_any_more_is_one_group() {
    let came_in = |number: u32| {
        let peer = SocketAddr::new(REMOTE.ip(), 1024 + u16::try_from(number).unwrap());
        close_wait(v4(8080), peer, 1000, number + 1)
    };
    let went_out = [
        close_wait(v4(40_000), v4(443), 1000, 90_001),
        close_wait(v4(40_001), v4(443), 1000, 90_002),
        close_wait(v4(40_001), v4(5432), 1000, 90_003),
        close_wait(v4(40_002), v4(6379), 1000, 90_004),
    ];
    let to = |port| Endpoint::Remote(v4(port));
    for many in [2, 1000, 5000] {
        let mut sockets: Vec<_> = (0..many).map(came_in).collect();
        sockets.extend(went_out);
        let mut found = holders(&sockets);
        found.sort_by_key(|(_, endpoint, _)| *endpoint);
        assert_eq!(
            found,
            [
                (Some(1000), Endpoint::Local(8080), u64::from(many)),
                (Some(1000), to(443), 2),
                (Some(1000), to(5432), 1),
                (Some(1000), to(6379), 1),
            ]
        );
    }
}

#[test]
fn groups_and_inodes_have_bounds_and_no_socket_is_lost() {
    let many = MOST_INODES + 10;
    let sockets: Vec<_> = (0..many)
        .map(|number| {
            let port = u16::try_from(number % (MOST_GROUPS + 100)).unwrap();
            let remote = SocketAddr::new(REMOTE.ip(), port + 1);
            let local = v4(u16::try_from(number % 65_535).unwrap());
            close_wait(local, remote, 0, u32::try_from(number).unwrap() + 1)
        })
        .collect();
    let found = over_netlink(&sockets, attention(&[])).holders.unwrap();
    assert_eq!(found.groups.len(), MOST_GROUPS);
    assert!(found.rest > 0);
    assert_eq!(found.total(), many as u64);
    let inodes: usize = found.groups.values().map(|held| held.inodes.len()).sum();
    assert!(inodes <= MOST_INODES);
}
