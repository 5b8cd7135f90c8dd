"""The first session of the README happens as it is printed there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.servers import ServerProcess

TEXT = (Path(__file__).parents[2] / "README.md").read_text()
PROMPT = "127.0.0.1:7379> "


@pytest.mark.usefixtures("client")
def test_the_session_with_redis_cli(server: ServerProcess) -> None:
    redis_cli = shutil.which("redis-cli")
    if redis_cli is None:
        pytest.skip("redis-cli is not installed")
    (block,) = re.findall(r"    \$ redis-cli -p 7379\n((?:    .*\n)+)", TEXT)
    lines = [line[4:] for line in block.splitlines()]
    commands = [line.removeprefix(PROMPT) for line in lines if line.startswith(PROMPT)]
    assert len(commands) > 3
    output = subprocess.run(
        [redis_cli, "-p", str(server.port), "--no-raw"],
        input="\n".join(commands) + "\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout
    assert output.splitlines() == [line for line in lines if not line.startswith(PROMPT)]


def test_the_program_in_python(server: ServerProcess, client: Client) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    program = program.replace("port=7379", f"port={server.port}")
    command = [sys.executable, "-W", "error", "-c", program]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert output == "1000\n"
    assert client.command("STRLEN", "user:999") == 100
