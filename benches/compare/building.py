"""Our programs, made, and those of others, found."""

import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parents[2]
PAGE = PROJECT / "docs" / "performance.md"
TOOLS = PROJECT / ".." / "shared" / "tools" / "unpack"


def build(*examples):
    """Our programs: static where Rust's musl target is installed, as the image is. Gives where they are, and what they are."""
    target = f"{platform.machine()}-unknown-linux-musl"
    where = ["rustc", "--print", "target-libdir", "--target", target]
    libraries = subprocess.run(where, cwd=PROJECT, capture_output=True, text=True)
    static = libraries.returncode == 0 and os.path.isdir(libraries.stdout.strip())
    command = ["cargo", "build", "--release", "--locked", "--message-format=json-render-diagnostics", "--bin", "tcpgauge"]
    for example in examples:
        command += ["--example", example]
    command += ["--target", target] if static else []
    built = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    if built.returncode:
        sys.exit(f"compare: {' '.join(command)} failed")
    found = {}
    for message in map(json.loads, built.stdout.splitlines()):
        if message.get("executable"):
            found[message["target"]["name"]] = message["executable"]
    return found, "static, musl" if static else "Rust's default target, as its musl target is not installed"


def find_others(names, found):
    """Adds those that are there, and says of each which it is, or that it is not."""
    path = os.environ["PATH"]
    if TOOLS.exists():
        script = 'eval "$("$1")" && printf %s "$PATH"'
        unpacked = subprocess.run(["bash", "-c", script, "bash", TOOLS], stdout=subprocess.PIPE, text=True)
        path += ":" + unpacked.stdout
    for name in names:
        if place := shutil.which(name, path=path):
            found[name] = place
            yield f"{name}: {version(place)}."
        else:
            yield f"**{name} is not on PATH and was skipped.**"


def version(program):
    said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    number = re.search(r"\d+(\.\d+)+", said.stdout.partition("\n")[0])
    return number.group() if number else "built without a version"


def kernel():
    """Without what a distribution adds to it."""
    return re.match(r"\d+(\.\d+)*", platform.release()).group()
