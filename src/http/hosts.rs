//! Whether a request was meant for this agent, by the name that it was asked under.
//!
//! Whoever owns a name can let it mean 127.0.0.1 and have a browser here ask us as if we were theirs. They cannot own an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::uri::Authority;

/// The end of a connection that is ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local {
    /// The address that was connected to.
    pub(super) ip: IpAddr,
    /// Whether every address is listened on: behind a translation of addresses, the one that was asked for is not ours.
    pub(super) everywhere: bool,
}

/// Whether `host`, as a request has it, is this machine's own name for itself, or an address that is listened on.
pub(super) fn is_ours(host: &str, local: Local) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    // Who writes a user before a host wants to look like somebody.
    if host.contains('@') {
        return false;
    }
    let name = authority.host();
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let Some(ip) = address(name) else {
        return false;
    };
    ip.is_loopback() || local.everywhere || ip == local.ip.to_canonical()
}

fn address(name: &str) -> Option<IpAddr> {
    let ip = match name.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into(),
        None => IpAddr::from(name.parse::<Ipv4Addr>().ok()?),
    };
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(ip: &str, everywhere: bool) -> Local {
        Local {
            ip: ip.parse().unwrap(),
            everywhere,
        }
    }

    #[test]
    fn loopback_is_ours_by_every_name_of_it() {
        for host in [
            "localhost",
            "localhost:9469",
            "LocalHost.:80",
            "127.0.0.1",
            "127.0.0.1:9469",
            "127.1.2.3:1",
            "[::1]:9469",
            "[::ffff:127.0.0.1]:9469",
        ] {
            assert!(is_ours(host, local("127.0.0.1", false)), "{host}");
        }
    }

    #[test]
    fn names_of_others_are_not_ours_wherever_they_lead() {
        for host in [
            "evil.example",
            "evil.example:9469",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "notlocalhost",
            "2130706433",
            "0x7f.1",
            "127.1",
            "[::1",
            "::1",
            "[::1%eth0]",
            "",
            ":9469",
            "local host",
            "localhost/",
        ] {
            for everywhere in [false, true] {
                assert!(!is_ours(host, local("127.0.0.1", everywhere)), "{host}");
            }
        }
    }

    #[test]
    fn an_address_is_ours_if_it_is_listened_on() {
        let ours = local("10.1.2.3", false);
        assert!(is_ours("10.1.2.3:9469", ours));
        assert!(!is_ours("10.1.2.4:9469", ours));
        assert!(is_ours("10.1.2.3", local("::ffff:10.1.2.3", false)));
        assert!(is_ours("[2001:db8::1]:80", local("2001:db8::1", false)));
        let everywhere = local("172.17.0.2", true);
        assert!(is_ours("192.168.1.5:80", everywhere), "as through NAT");
        assert!(!is_ours("node-1:80", everywhere));
    }
}
