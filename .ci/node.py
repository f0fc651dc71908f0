"""A node in files, as an agent finds one: the processes of a host and of pods, and the kubelet's links to their logs.

The same that tests/support/node.rs makes for tests in Rust.
"""

import os

ESTABLISHED, TIME_WAIT, CLOSE_WAIT, LISTEN = 0x01, 0x06, 0x08, 0x0A
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
SNMP = "ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs"
NETSTAT = "ListenOverflows ListenDrops TCPTimeWaitOverflow TCPMemoryPressures"
CONTAINER = "c0ffee" * 10 + "{:04x}"


def sockets(states, peer="0A000001:1F90", accept_queue=0):
    """Rows of `net/tcp`: so many in each state; connections have ports of their own, listeners port 8080."""
    rows = []
    for state, number in states.items():
        for index in range(number):
            port, remote, queue = (0x1F90, "00000000:0000", accept_queue) if state == LISTEN else (0x8000 + index, peer, 0)
            rows.append(
                f"{index:4}: 0A00000A:{port:04X} {remote} {state:02X} 00000000:{queue:08X} 00:00000000 00000000"
                f"  1000        0 {index} 1\n"
            )
    return "".join(rows)


class Node:
    """`directory` becomes a proc root with a host, and what the kubelet makes."""

    def __init__(self, directory):
        self.proc, self.logs, self.pids = directory / "proc", directory / "containers", {}
        self.logs.mkdir(parents=True)
        settings = {"net/ipv4/tcp_mem": "700 1000 1400", "net/ipv4/tcp_max_orphans": "1000", "fs/file-nr": "500 0 100000"}
        for name, text in settings.items():
            path = self.proc / "sys" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")

    def arguments(self):
        return [f"--proc-root={self.proc}", f"--container-logs-dir={self.logs}"]

    def write_host(self, rows, memory=100, events=0):
        """The host's sockets, its pages of memory, and how often each bad thing has happened."""
        self.process(1, "/init.scope", rows, memory, events)

    def pod(self, uid, namespace, name, rows):
        """A pod of one container; it starts if it is not there yet."""
        if uid not in self.pids:
            self.pids[uid] = 100 + len(self.pids)
            container = CONTAINER.format(self.pids[uid])
            os.symlink(f"/var/log/pods/{namespace}_{name}_{uid}/app/0.log", self.logs / f"{name}_{namespace}_app-{container}.log")
        pid = self.pids[uid]
        self.process(pid, f"/kubepods/burstable/pod{uid}/{CONTAINER.format(pid)}", rows)

    def process(self, pid, cgroup, rows, memory=1, events=0):
        directory = self.proc / str(pid)
        (directory / "net").mkdir(parents=True, exist_ok=True)
        states = [line.split()[3] for line in rows.splitlines() if len(line.split()) > 3]
        waiting = states.count("06")
        whole = len(states) - waiting
        counted = [50 + 3 * events] * len(SNMP.split())
        files = {
            "cgroup": f"0::{cgroup}\n",
            "cmdline": "/app\0",
            "stat": f"{pid} (app) S 1 {pid} {pid} 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 {1000 + pid} " + "0 " * 30 + "\n",
            "net/sockstat": f"sockets: used 9\nTCP: inuse {whole} orphan 1 tw {waiting} alloc {len(states)} mem {memory}\n",
            "net/sockstat6": "TCP6: inuse 0\n",
            "net/snmp": f"Tcp: {SNMP}\nTcp: {' '.join(map(str, counted))}\n",
            "net/netstat": f"TcpExt: {NETSTAT}\nTcpExt: {events} {events} {events} {events}\n",
            "net/tcp6": HEADER,
            "net/tcp": HEADER + rows,
        }
        for name, text in files.items():
            # Never half of one: the agent may read at any moment.
            new = directory / (name + ".new")
            new.write_text(text)
            new.replace(directory / name)
