"""Where the time goes while Kiwi Engine serves: both processes under py-spy (glue).

    python benchmarks/profile_set.py                    SET, 50 clients, pipelines of 100
    python benchmarks/profile_set.py --test get --pipeline 16
    python benchmarks/profile_set.py --pipeline 1 --set runtime-mode=single

Prints, for each process, the functions that were running most often (self time), by thread. With
`--output DIR` the raw stacks are kept: flame graph tools read them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.servers import ServerProcess, kiwi


def main(words: list[str] | None = None) -> int:
    """Profile and print; exit code 2 if a program is missing."""
    arguments = parse(words)
    sampler = Path(sys.executable).with_name("py-spy")
    if not sampler.exists() or shutil.which("redis-benchmark") is None:
        print("profile: py-spy and redis-benchmark are needed", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="kiwi-profile-") as temporary:
        output = Path(arguments.output or temporary)
        output.mkdir(parents=True, exist_ok=True)
        settings = dict(setting.split("=", 1) for setting in arguments.set)
        with kiwi(Path(temporary) / "data", settings) as server:
            profile(server, sampler, output, arguments)
    return 0


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="profile_set.py", description="Profile a loaded server.")
    parser.add_argument("--test", default="set", help="a test of redis-benchmark (default set)")
    parser.add_argument("--pipeline", type=int, default=100, help="commands at once (default 100)")
    parser.add_argument("--clients", type=int, default=50, help="connections (default 50)")
    parser.add_argument("--value-bytes", type=int, default=64, help="value size (default 64)")
    parser.add_argument("--seconds", type=int, default=6, help="how long to sample (default 6)")
    parser.add_argument("--top", type=int, default=20, help="functions to print (default 20)")
    parser.add_argument("--output", help="directory in which to keep the raw stacks")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args(words)
    if any("=" not in setting for setting in arguments.set):
        parser.error("--set needs KEY=VALUE")
    return arguments


def profile(
    server: ServerProcess, sampler: Path, output: Path, arguments: argparse.Namespace
) -> None:
    """Load the server and sample its processes at the same time."""
    with server.client() as client:
        info = client.info("server")
    processes = {"network": info["network_process_id"], "storage": info["storage_process_id"]}
    if processes["network"] == processes["storage"]:
        processes = {"single": processes["storage"]}
    load_words = f"-p {server.port} -t {arguments.test} -c {arguments.clients} -r 100000 -l -q"
    load_words += f" -P {arguments.pipeline} -d {arguments.value_bytes}"
    load = subprocess.Popen(
        ["redis-benchmark", *load_words.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        samplers = []
        for name, process_id in processes.items():
            words = "record --format raw --function --threads --nonblocking --rate 200"
            words += f" --duration {arguments.seconds} --pid {process_id}"
            command = [str(sampler), *words.split(), "--output", str(output / f"{name}.raw")]
            quiet = subprocess.DEVNULL
            samplers.append(subprocess.Popen(command, stdout=quiet, stderr=quiet))
        for process in samplers:
            process.wait()
    finally:
        load.kill()
        load.wait()
    for name in processes:
        report(name, (output / f"{name}.raw").read_text(), arguments.top)


def report(name: str, stacks: str, top: int) -> None:
    """Print the most frequent innermost functions of one process."""
    self_time: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        thread = frames[0] if frames[0].startswith("thread") else "thread"
        self_time[f"{frames[-1]}   [{thread}]"] += int(count)
    total = sum(self_time.values())
    print(f"\n{name} process, {total} samples")
    for function, samples in self_time.most_common(top):
        print(f"{100 * samples / total:6.1f} %  {function}")


if __name__ == "__main__":
    sys.exit(main())
