"""What the kernel says that a process has used: CPU, memory, context switches.

Wall time is nowhere: on a machine that others use too it says more about them.
"""

import os
import select
import signal
import subprocess
import time

MIB = 1024 * 1024
PATIENCE_S = 180


class Failed(Exception):
    """A program did not do what it was started for."""


def spent_ms(command):
    """CPU (user + system) of a program that ends, its start included."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=quiet)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise Failed(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return (usage.ru_utime + usage.ru_stime) * 1e3


def peak_of_one_that_ends(command):
    """The most memory a program had resident, in MiB.

    The rusage of a child begins with what its parent had resident before exec, so it is looked at from outside, each time
    that it waits because the pipe for its output is full: a first time before its first byte, and then as it goes.
    """
    ours, its = os.pipe()
    os.set_blocking(its, False)
    try:
        while True:
            os.write(its, bytes(4096))
    except BlockingIOError:
        os.set_blocking(its, True)
    child = subprocess.Popen(command, stdout=its)
    os.close(its)
    peak = 0
    try:
        while True:
            until_waiting(child.pid)
            peak = max(peak, peak_mib(child.pid))
            if not os.read(ours, MIB):
                return peak
    finally:
        os.close(ours)
        child.kill()
        child.wait()


def until_waiting(pid):
    deadline = time.monotonic() + PATIENCE_S
    while any(state in "RD" for state in thread_states(pid)):
        if time.monotonic() > deadline:
            raise Failed(f"process {pid} does not come to rest")
        time.sleep(0.001)


def peak_mib(pid):
    """The most it has had resident; 0 where it has ended."""
    return number_after(read(f"/proc/{pid}/status"), "VmHWM:") / 1024


def number_after(text, key):
    for line in text.splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def thread_states(pid):
    for thread in threads(pid):
        stat = read(f"/proc/{pid}/task/{thread}/stat")
        if stat:
            yield stat.rpartition(")")[2].split()[0]


def threads(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return []


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Lasting:
    """A process that lasts, and that can be paused so that it costs nothing while others are measured."""

    def __init__(self, command, environment=None):
        self.name = os.path.basename(command[0])
        # The kernel ends it, paused or not, if this script is killed.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        self.pid = self.process.pid
        self.said = b""
        self.used_ns, self.switches = {}, {}

    def cpu_ms(self):
        """CPU used so far. The kernel brings its account up to date when a thread leaves the CPU, so none may be on it."""
        until_waiting(self.pid)
        return self.over_threads(self.used_ns, "schedstat", lambda account: int(account.split()[0])) / 1e6

    def thread_ms(self, name):
        """CPU that the threads of this name have used; one that is on the CPU is up to a timer tick ahead of that."""
        tasks = [f"/proc/{self.pid}/task/{thread}" for thread in threads(self.pid)]
        named = [task for task in tasks if read(f"{task}/comm").strip() == name]
        return sum(int(read(f"{task}/schedstat").split()[0]) for task in named) / 1e6

    def peak_mib(self):
        return peak_mib(self.pid)

    def voluntary_switches(self):
        return self.over_threads(self.switches, "status", lambda status: number_after(status, "voluntary_ctxt_switches:"))

    def over_threads(self, seen, file, value):
        """The sum over all threads; one that has ended keeps what was last seen of it."""
        for thread in threads(self.pid):
            if text := read(f"/proc/{self.pid}/task/{thread}/{file}"):
                seen[thread] = value(text)
        return sum(seen.values())

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + PATIENCE_S
        while any(state != "T" for state in thread_states(self.pid)):
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} does not pause")
            time.sleep(0.001)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def ask(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, mark, times=1):
        """Waits until `mark` was said so many times more, and gives what was said until then."""
        deadline = time.monotonic() + PATIENCE_S
        while self.said.count(mark) < times:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            heard = os.read(self.process.stdout.fileno(), MIB) if ready else b""
            self.said += heard
            if not heard:
                last = self.said[-2000:].decode(errors="replace")
                ended = self.process.poll()
                how = "says nothing any more" if ended is None else f"has ended with {ended}"
                raise Failed(f"{self.name} {how}; its last words:\n{last}")
        said, self.said = self.said, b""
        return said.decode(errors="replace")

    def heard_meanwhile(self):
        """What was said and not heard yet."""
        meanwhile, self.said = self.said, b""
        while select.select([self.process.stdout], [], [], 0)[0]:
            heard = os.read(self.process.stdout.fileno(), MIB)
            if not heard:
                break
            meanwhile += heard
        return meanwhile.decode(errors="replace")

    def end(self):
        self.process.kill()
        self.let_end()

    def let_end(self):
        """For one that ends when nobody can ask it any more."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
