//! A way into a network namespace that nobody else uses.
//!
//! Why a namespace: only where no other process opens or closes anything can a test say how many sockets are in each state,
//! and hold three witnesses to exactly that. A user namespace around it gives the rights inside without root outside.
//!
//! A process has one network namespace per thread and libtest runs many threads, so a test does not move itself: it runs
//! itself once more, alone, under util-linux' `unshare`, and the second run does the work.

use std::io;
use std::net::{Ipv6Addr, TcpListener};
use std::process::Command;

use crate::skip::{leave_to_root, repeat_skips, skip};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// Set for the second run, so that it knows where it is.
const INSIDE: &str = "TCPGAUGE_TEST_INSIDE_NAMESPACE";

/// Runs `claim` in a namespace of its own, in which only loopback exists. `test` is the calling test's full name, and
/// is handed on to `claim`.
pub(crate) fn in_fresh_namespace(test: &str, claim: impl FnOnce(&str)) {
    in_namespace(test, &["--user", "--map-root-user", "--net"], claim);
}

/// Runs it in one in which there are other users than root as well.
#[allow(dead_code, reason = "each test program uses what it needs")]
pub(crate) fn in_fresh_namespace_of_many_users(test: &str, claim: impl FnOnce(&str)) {
    // Inside, everybody is root of a kind.
    if std::env::var_os(INSIDE).is_some() || rustix::process::geteuid().is_root() {
        return in_namespace(test, &["--net"], claim);
    }
    let kind = ["--user", "--map-root-user", "--map-auto", "--net"];
    let probe = Command::new("unshare").args(kind).arg("true").output();
    if probe.is_ok_and(|probe| probe.status.success()) {
        in_namespace(test, &kind, claim);
    } else {
        leave_to_root(
            test,
            "this user may be nobody else in a namespace: see subuid(5)",
        );
    }
}

fn in_namespace(test: &str, kind: &[&str], claim: impl FnOnce(&str)) {
    if std::env::var_os(INSIDE).is_some() {
        match bring_loopback_up() {
            Ok(()) => match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).map(drop) {
                Ok(()) => claim(test),
                Err(error) => skip(test, &format!("this machine has no IPv6: {error}")),
            },
            // Some machines give out user namespaces that carry no rights.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                skip(test, &format!("the namespace gives no rights: {error}"));
            }
            Err(error) => panic!("cannot bring loopback up: {error}"),
        }
        return;
    }

    let again = Command::new("unshare")
        .args(kind)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output();
    let output = match again {
        Ok(output) => output,
        Err(error) => return skip(test, &format!("cannot run util-linux' unshare: {error}")),
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);

    // unshare ends with 1 when the kernel refuses; a test binary that got as far as starting has said something.
    if output.status.code() == Some(1) && stdout.is_empty() {
        return skip(test, stderr.trim());
    }
    assert!(
        output.status.success(),
        "{test} failed in its namespace ({}):\n{stdout}{stderr}",
        output.status
    );
    // A misspelt name would run no test and succeed.
    assert!(
        stdout.contains("1 passed"),
        "{test} did not run in its namespace:\n{stdout}{stderr}"
    );
    repeat_skips(&stderr);
}

fn bring_loopback_up() -> io::Result<()> {
    set_loopback(true)
}

/// Sets `lo` up or down by an `RTM_NEWLINK` message (rtnetlink(7)), so that the `ip` program is not needed.
pub(crate) fn set_loopback(is_up: bool) -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACK: u16 = 0x1 | 0x4;
    const LENGTH: u32 = 32;
    const LOOPBACK_INDEX: u32 = 1;
    const IFF_UP: u32 = 1;
    const NLMSG_ERROR: u16 = 2;
    // Protocol 0 of the netlink family.
    const NETLINK_ROUTE: Option<Protocol> = None;

    let mut request = Vec::with_capacity(32);
    // struct nlmsghdr: length, type and flags, sequence number, port (0: the kernel chooses ours).
    request.extend(LENGTH.to_ne_bytes());
    request.extend(RTM_NEWLINK.to_ne_bytes());
    request.extend(REQUEST_AND_ACK.to_ne_bytes());
    request.extend([0; 8]);
    // struct ifinfomsg: family and device type (any), index, flags, and which of the flags to change.
    request.extend([0; 4]);
    request.extend(LOOPBACK_INDEX.to_ne_bytes());
    request.extend(if is_up { IFF_UP } else { 0 }.to_ne_bytes());
    request.extend(IFF_UP.to_ne_bytes());

    let kernel = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        NETLINK_ROUTE,
    )?;
    send(&kernel, &request, SendFlags::empty())?;
    let mut answer = [0; 512];
    let (read, _) = recv(&kernel, &mut answer, RecvFlags::empty())?;

    // struct nlmsgerr follows the header: a negated errno, 0 for done.
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    if read < 20 || kind != NLMSG_ERROR {
        return Err(io::Error::other(format!(
            "rtnetlink answered with type {kind}"
        )));
    }
    match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
        0 => Ok(()),
        negated => Err(io::Error::from_raw_os_error(-negated)),
    }
}
