"""Namespaces that are pods to whoever looks at them, and sockets beside them that are nobody's.

Run as a program, in a network namespace of its own: brings loopback up, joins a control group and becomes another program.
"""

import json
import os
import pathlib
import sys
import uuid

sys.dont_write_bytecode = True

import inside
from accounts import Failed, Lasting

# Ours, so that no kubelet on the same machine is near it. Below it are names as a kubelet gives them that uses systemd's driver;
# those of the other driver are what shared/cluster/down takes for its own wherever they are, and kills.
OURS = "tcpgauge-compare"
NAMESPACE = "compare"


class Populated:
    """The pods of one case, and the sockets beside them. `ended` has what ends it, in the order in which it is made."""

    def __init__(self, found, kinds, beside, directory, ended):
        self.links = directory / "containers"
        self.links.mkdir()
        groups = control_groups()
        ended.callback(sweep, groups)
        self.sockets = Lasting(in_namespace([found["compare_sockets"], str(beside), f"/proc/{os.getpid()}/ns/net"]))
        ended.callback(self.sockets.let_end)
        self.pods = []
        for number, kind in enumerate(kinds):
            pod = Pod(found["compare_pod"], number, kind, groups, self.links)
            ended.callback(pod.process.end)
            self.pods.append(pod)
        self.sockets.hear(b"\n")
        for pod in self.pods:
            made = json.loads(pod.process.hear(b"\n"))
            pod.expected = {"tcp_connections": sum(made.values()), "tcp_time_wait": 0, "tcp_close_wait": 0, **made}


class Pod:
    """One process in a network namespace and a control group of its own, named as a container's log would name it.

    `kind` is how many listeners and connections it has, in IPv4 and in IPv6.
    """

    def __init__(self, program, number, kind, groups, links):
        self.uid, container = str(uuid.uuid4()), uuid.uuid4().hex * 2
        self.name = f"pod-{number}"
        slices = ["kubepods", "kubepods-besteffort", f"kubepods-besteffort-pod{self.uid.replace('-', '_')}"]
        group = groups.joinpath(*(f"{name}.slice" for name in slices), f"cri-containerd-{container}.scope")
        group.mkdir(parents=True)
        log = f"/var/log/pods/{NAMESPACE}_{self.name}_{self.uid}/main/0.log"
        (links / f"{self.name}_{NAMESPACE}_main-{container}.log").symlink_to(log)
        self.process = Lasting(in_namespace([program, *map(str, kind)], group))

    @property
    def pid(self):
        return self.process.pid


def control_groups():
    """The directory below which groups are made, in the unified hierarchy; beside others that has a place of its own."""
    for root in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        if os.path.exists(f"{root}/cgroup.procs"):
            groups = pathlib.Path(root) / OURS
            try:
                sweep(groups)
            except OSError as busy:
                raise Failed(f"{groups} cannot be removed, does another run go on? {busy}") from busy
            groups.mkdir()
            return groups
    raise Failed("there is no unified hierarchy of control groups (cgroup2) to make pods in")


def sweep(groups):
    """Removes groups that were made, from the leaves up; those of a run that was killed are empty too."""
    for directory, _, _ in os.walk(groups, topdown=False):
        os.rmdir(directory)


def in_namespace(command, group=""):
    return ["unshare", "--net", sys.executable, __file__, str(group), *command]


def become(group, *command):
    inside.bring_loopback_up()
    if group:
        (pathlib.Path(group) / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    os.execv(command[0], command)


if __name__ == "__main__":
    become(*sys.argv[1:])
