"""Random JSON documents with what Python's json module makes of them.

SPDX-License-Identifier: Apache-2.0

Written to standard output for test_json_python.c, per document:
    <bytes> <accepted: 0 or 1> <bytes of the reading>\n<document><reading>
A reading is the tree in a form that both sides can print: n t f, i<integer>,
d<double as 16 hex digits>, s<UTF-8 in hex>, [items], {keys and values},
each followed by a blank.
"""
import json
import random
import struct
import sys

STRINGS = ["", "a", "key", "content", "\u00e9", "\u20ac", "\U0001f600", "\0",
           "\x7f", "\"", "\\", "/", "\n", "\t", "longer than sixteen bytes",
           "\ud800", "\udc00", "x" * 300, "\u2028", "\uffff"]
NUMBERS = ["0", "-0", "1", "-1", "1.5", "1e5", "1E-7", "-0.0", "1e400",
           "-1e400", "1e-400", "9007199254740993", "9223372036854775807",
           "9223372036854775808", "-9223372036854775808",
           "-9223372036854775809", "18446744073709551615",
           "18446744073709551616", "1180591620717411303424", "0.1",
           "123456789.123456789e-5", "5e-324", "2.2250738585072011e-308",
           "NaN", "Infinity", "-Infinity"]
NOISE = [b'"', b"\\", b",", b":", b"[", b"]", b"{", b"}", b"0", b"-", b".",
         b"e", b" ", b"\n", b"\x00", b"\x1f", b"\x80", b"\xc3", b"\xe2\x82",
         b"\xed\xa0\x80", b"\xff", b"\\u", b"\\ud83d", b"u", b"N", b"t", b"//"]


def text(rng):
    pieces = rng.choices(STRINGS, k=rng.randrange(4))
    whole = "".join(pieces)
    if rng.random() < 0.5:
        return json.dumps(whole)
    raw = json.dumps(whole, ensure_ascii=False)
    return raw.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def number(rng):
    if rng.random() < 0.5:
        return rng.choice(NUMBERS)
    if rng.random() < 0.5:
        return str(rng.randrange(-2**rng.randrange(1, 80), 2**70))
    while True:
        value = struct.unpack("d", rng.randbytes(8))[0]
        if value == value and abs(value) != float("inf"):
            return "%.*g" % (rng.randrange(1, 40), value)


def blank(rng):
    return rng.choice(["", "", "", " ", "\n", "\t\r "])


def document(rng, depth):
    kind = rng.randrange(8 if depth < 5 else 5)
    if kind == 0:
        return rng.choice(["null", "true", "false"])
    if kind < 3:
        return number(rng)
    if kind < 5:
        return text(rng)
    comma = blank(rng) + "," + blank(rng)
    count = rng.randrange(5)
    if kind == 5:
        items = (document(rng, depth + 1) for _ in range(count))
        return "[" + blank(rng) + comma.join(items) + blank(rng) + "]"
    members = (text(rng) + blank(rng) + ":" + blank(rng) +
               document(rng, depth + 1) for _ in range(count))
    return "{" + blank(rng) + comma.join(members) + blank(rng) + "}"


def spoil(rng, doc):
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(doc) + 1)
        cut = rng.choice([0, 0, 1, 1, 5])
        put = rng.choice(NOISE) if rng.random() < 0.7 else b""
        doc = doc[:at] + put + doc[at + cut:]
    return doc


def double(value):
    if value != value:
        return "dnan "
    return "d%016x " % struct.unpack("<Q", struct.pack("<d", value))[0]


def to_double(value):
    try:
        return float(value)
    except OverflowError:
        return float("-inf") if value < 0 else float("inf")


def reading(value):
    if value is None:
        return "n "
    if value is True:
        return "t "
    if value is False:
        return "f "
    if isinstance(value, str):
        whole = value.encode("utf-16", "surrogatepass").decode("utf-16",
                                                               "replace")
        return "s" + whole.encode().hex() + " "
    if isinstance(value, int):
        if -2**63 <= value < 2**64:
            return "i%d " % value
        return double(to_double(value))
    if isinstance(value, float):
        return double(value)
    if isinstance(value, Members):
        pairs = (reading(k) + reading(v) for k, v in value)
        return "{ " + "".join(pairs) + "} "
    return "[ " + "".join(map(reading, value)) + "] "


class Members(list):
    """Members of an object in order, with duplicates."""


def main():
    rng = random.Random(int(sys.argv[1]))
    out = sys.stdout.buffer
    for _ in range(int(sys.argv[2])):
        doc = document(rng, 0).encode()
        if rng.random() < 0.5:
            doc = spoil(rng, doc)
        try:
            value = json.loads(doc.decode("utf-8", "replace"),
                               object_pairs_hook=Members)
            accepted, read = 1, reading(value).encode()
        except ValueError:
            accepted, read = 0, b""
        out.write(b"%d %d %d\n" % (len(doc), accepted, len(read)))
        out.write(doc)
        out.write(read)


main()
