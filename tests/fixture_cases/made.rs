//! The cases that git cannot carry: pipes, devices, sockets, links to nowhere, permissions.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::golden;
use crate::outcome::{Snapshot, snapshot, whole};
use crate::program::{Finished, wait};
use crate::program::{finish, tcpgauge};
use crate::skip::skip;

/// A user who owns nothing.
const NOBODY: u32 = 65534;

/// A proc of a test's own, with the tables of the case `no_header` in it: 4 sockets in tcp, 2 in tcp6.
struct Proc(TempDir);

impl Proc {
    fn new() -> Self {
        let made = Self(TempDir::new().unwrap());
        fs::set_permissions(made.root(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(made.root().join("1/net")).unwrap();
        let from = golden::directory().join("no_header/proc/1/net");
        for table in ["tcp", "tcp6"] {
            fs::write(made.table(table), fs::read(from.join(table)).unwrap()).unwrap();
        }
        made
    }

    /// The same with nothing in the place of `table`, for the test to put something there.
    fn without(table: &str) -> (Self, PathBuf) {
        let made = Self::new();
        let place = made.table(table);
        fs::remove_file(&place).unwrap();
        (made, place)
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn table(&self, name: &str) -> PathBuf {
        self.root().join("1/net").join(name)
    }

    /// A snapshot by somebody whom permissions bind, as they do not bind root; nothing where that cannot be done.
    fn snapshot_as_a_user(&self, test: &str) -> Option<Snapshot> {
        if !rustix::process::geteuid().is_root() {
            return Some(snapshot(self.root()));
        }
        // Such a user may not be let into the directory that the binary was built in.
        let program = self.root().join("tcpgauge");
        fs::copy(env!("CARGO_BIN_EXE_tcpgauge"), &program).unwrap();
        let mut command = Command::new(program);
        command
            .args(["snapshot", "--format", "json", "--proc-root"])
            .arg(self.root())
            .env_clear()
            .uid(NOBODY)
            .gid(NOBODY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        loop {
            match command.spawn() {
                Ok(child) => return Some(Snapshot::of(Finished::of(wait(child)))),
                // Another test's child was born while the copy was written, and has it open until it has become what it is to be.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {}
                Err(error) => {
                    skip(test, &format!("cannot run as another user: {error}"));
                    return None;
                }
            }
        }
    }
}

#[test]
fn a_tree_without_anything_odd_is_read() {
    assert_eq!(snapshot(Proc::new().root()).outcome(), whole(4, Some(2)));
}

#[test]
fn a_fifo_in_the_place_of_a_table_is_refused_and_not_waited_for() {
    for table in ["tcp", "tcp6"] {
        let (made, place) = Proc::without(table);
        mknodat(CWD, &place, FileType::Fifo, Mode::from(0o644), 0).unwrap();
        snapshot(made.root()).is_refused_with(&["a named pipe", place.to_str().unwrap()]);
    }
}

#[test]
fn a_directory_in_the_place_of_a_table_is_refused() {
    for table in ["tcp", "tcp6"] {
        let (made, place) = Proc::without(table);
        fs::create_dir(&place).unwrap();
        snapshot(made.root()).is_refused_with(&["a directory", place.to_str().unwrap()]);
    }
}

#[test]
fn a_device_in_the_place_of_a_table_is_refused_and_not_read_for_ever() {
    for device in ["/dev/zero", "/dev/null"] {
        for table in ["tcp", "tcp6"] {
            let (made, place) = Proc::without(table);
            symlink(device, &place).unwrap();
            snapshot(made.root()).is_refused_with(&["a device", place.to_str().unwrap()]);
        }
    }
}

#[test]
fn a_socket_in_the_place_of_a_table_is_refused() {
    for table in ["tcp", "tcp6"] {
        let (made, place) = Proc::without(table);
        let _listener = UnixListener::bind(&place).unwrap();
        snapshot(made.root()).is_refused_with(&["no file", place.to_str().unwrap()]);
    }
}

/// Only a tcp6 that is not there at all says that IPv6 is off; a link to nowhere says that something broke.
#[test]
fn a_link_that_leads_nowhere_is_not_a_table_that_is_not_there() {
    for target in ["nowhere", "tcp6"] {
        let (made, place) = Proc::without("tcp6");
        symlink(target, &place).unwrap();
        snapshot(made.root()).is_refused_with(&[place.to_str().unwrap()]);
    }
    let (made, place) = Proc::without("tcp");
    symlink("nowhere", &place).unwrap();
    snapshot(made.root()).is_refused_with(&[place.to_str().unwrap()]);
}

#[test]
fn a_link_to_a_table_is_as_good_as_the_table() {
    let (made, place) = Proc::without("tcp6");
    fs::rename(made.table("tcp"), made.root().join("elsewhere")).unwrap();
    symlink("../../elsewhere", made.table("tcp")).unwrap();
    assert!(!place.exists());
    assert_eq!(snapshot(made.root()).outcome(), whole(4, None));
}

#[test]
fn a_table_that_may_not_be_read_gives_no_totals() {
    for table in ["tcp", "tcp6"] {
        let made = Proc::new();
        let place = made.table(table);
        fs::set_permissions(&place, Permissions::from_mode(0o000)).unwrap();
        let test = "a_table_that_may_not_be_read_gives_no_totals";
        if let Some(found) = made.snapshot_as_a_user(test) {
            found.is_refused_with(&["ermission denied", "allow", place.to_str().unwrap()]);
        }
    }
}

#[test]
fn a_pid_1_that_may_not_be_entered_gives_no_totals_and_says_what_to_allow() {
    let made = Proc::new();
    let process = made.root().join("1");
    fs::set_permissions(&process, Permissions::from_mode(0o000)).unwrap();
    let found = made.snapshot_as_a_user(
        "a_pid_1_that_may_not_be_entered_gives_no_totals_and_says_what_to_allow",
    );
    // Or the directory could not be taken away again.
    fs::set_permissions(&process, Permissions::from_mode(0o755)).unwrap();
    if let Some(found) = found {
        found.is_refused_with(&["ermission denied", "allow", "hidepid"]);
    }
}

#[test]
fn a_proc_root_that_is_not_there_or_no_directory_says_what_to_mount() {
    let made = Proc::new();
    let file = made.root().join("file");
    fs::write(&file, "").unwrap();
    for root in [made.root().join("missing"), file] {
        snapshot(&root).is_refused_with(&["mount the host's /proc", "HOST_PROC"]);
    }
}

/// Besides the tables, a few files tell whose they are. None of them is worth waiting for.
#[test]
fn a_fifo_anywhere_below_the_proc_root_is_not_waited_for() {
    for place in [
        "2/stat",
        "self/status",
        "self/net/tcp",
        "sys/net/ipv4/tcp_mem",
        "sys/kernel/random/boot_id",
    ] {
        let made = Proc::new();
        let fifo = made.root().join(place);
        fs::create_dir_all(fifo.parent().unwrap()).unwrap();
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from(0o644), 0).unwrap();
        assert_eq!(
            snapshot(made.root()).outcome(),
            whole(4, Some(2)),
            "{place}"
        );

        let root = made.root().to_str().unwrap();
        let check = finish(tcpgauge([
            "check",
            "--proc-root",
            root,
            "--endpoint",
            "http://127.0.0.1:9",
        ]));
        assert!(check.stdout.contains("sockets  "), "{place}: {check:?}");
    }
}
