"""Serialised values: what Redis 7.0 has dumped is restored, and what is broken is refused (pure).

That what is dumped here can be restored elsewhere, and is the same value there, is shown by
tests/rdb/test_exchange.py.
"""

from __future__ import annotations

from typing import Final

from tests.differential.families.family import family

# DUMP of Redis 7.0 with low thresholds, one of each form, in hexadecimal digits.
_DUMPED: Final = (
    # set hello (embstr)
    "000568656c6c6f0a006372df766534200a",
    # set 123 (int)
    "00c07b0a0048e253e1007a67b9",
    # set xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx (embstr)
    "00c3092c017878e01f000178780a002d05b7d2a136e6d1",
    # rpush a 1 300 (quicklist)
    "1202020c0c00000002008161020101ff020a0a0000000100c12c02ff0a005a67cc2ef522ed2c",
    # rpush a 1 (quicklist)
    "1201020c0c00000002008161020101ff0a0094962b23ac17aa85",
    # hset x 1 y 2 (listpack)
    "101111000000040081780201018179020201ff0a0031ca8080e98ac235",
    # hset x 1 y 2 z 3 f 4 (hashtable)
    "04040179c0020178c0010166c004017ac0030a0042fd22957735171f",
    # sadd 1 2 70000 (intset)
    "0b1404000000030000000100000002000000701101000a0085d5c1065b1dd055",
    # sadd x y (hashtable)
    "0202017901780a000cdf6b3db330bcf0",
    # zadd 1 x 2.5 y (listpack)
    "1114140000000400817802010181790283322e3504ff0a0032acbb502d37c470",
    # zadd 1 x 2.5 y inf z -1 a (skiplist)
    (
        "0504017a000000000000f07f017900000000000004400178000000000000f03f0161000000000000f0bf0a00"
        "cb9ec942ab00b79a"
    ),
    # pfadd x y z (raw)
    "001a48594c4c01000000000000000000008061848058cd8845a084080a0010c225c9b8afd88c",
    # a stream with a group and a pending entry (stream)
    (
        "1301100000000000000001000000000000000133330000001300020100010101816602000102010001000181"
        "7602040100010001010102018167028177028168028175020801ff0201020101000002010167010101010000"
        "0000000000010000000000000001292ad8ffa1010000010105616c696365292ad8ffa1010000010000000000"
        "00000100000000000000010a00279a74c12ad62777"
    ),
)
PAYLOADS: Final = tuple(bytes.fromhex(digits) for digits in _DUMPED)
BROKEN: Final = (
    b"",
    b"x",
    PAYLOADS[0][:-1],
    PAYLOADS[3][:-3] + b"\x00\x00\x00",
    b"\x63" + PAYLOADS[0][1:],
    PAYLOADS[5][:4] + b"\x7f" + PAYLOADS[5][5:],
)

FAMILY: Final = family(
    "dump",
    """
    8 restore KEY 0 PAYLOAD [{(replace | absttl | idletime INDEX | freq COUNT | junk)}2]
    4 restore KEY 0 PAYLOAD replace
    2 restore KEY MILLISECONDS PAYLOAD [replace]
    2 restore KEY UNIX_MILLISECONDS PAYLOAD absttl [replace]
    2 restore KEY 0 BROKEN [replace]
    restore-asking KEY 0 PAYLOAD [replace]
    dump nokey
    set KEY SHORT_TEXT
    hset KEY {SHORT_TEXT SHORT_TEXT}
    rpush KEY {SHORT_TEXT}
    sadd KEY {SHORT_TEXT}
    zadd KEY {COUNT SHORT_TEXT}
    pfadd KEY {SHORT_TEXT}
    xadd KEY 9-* field SHORT_TEXT
    xreadgroup group g bob streams KEY >
    del KEY
    rename KEY KEY
    copy KEY KEY [replace]
    pexpiretime KEY
    object encoding KEY
    """,
    {"PAYLOAD": PAYLOADS, "BROKEN": BROKEN},
    opening="""
        restore KEY 0 PAYLOAD
    """,
    closing="""
        pexpiretime KEY
        get KEY
        hgetall KEY
        lrange KEY 0 -1
        smembers KEY
        zrange KEY 0 -1 WITHSCORES
        xrange KEY - +
        xinfo stream KEY full
        pfcount KEY
    """,
)
