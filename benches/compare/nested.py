"""A script that runs itself once more, in namespaces of its own."""

import json
import signal
import subprocess
import sys

from accounts import Failed


def outside(enter, ends_by, script, task):
    """Runs `script` by way of the command `enter`, which ends by that signal, and gives what it found."""
    again = subprocess.Popen([*enter, sys.executable, script, "--inside", json.dumps(task)], stdout=subprocess.PIPE, text=True)
    try:
        # Not by way of communicate(), which is not to be begun twice.
        said = again.stdout.read()
    except BaseException:
        again.send_signal(ends_by)
        # There is an end to what it says when all that it has started has ended.
        again.stdout.read()
        raise
    finally:
        again.wait()
    if again.returncode:
        sys.exit("compare: there is no result, see above")
    return json.loads(said)


def inside(measure, task):
    """The other end of it."""
    try:
        print(json.dumps(measure(**task)))
    except Failed as failure:
        sys.exit(f"compare: {failure}")


def end_by_signal():
    """Lets a signal end this script by way of all that is to be done at its end, which no second signal disturbs."""

    def end(number, _frame):
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)
