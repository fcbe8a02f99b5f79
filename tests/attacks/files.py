"""Which files would fill the memory or the disk, or run, if they were read as they ask to be?

Each is a few megabytes at most, and is made when it is tried. `says` is what the page must say of it; nothing, where
the file is harmless once it is read row by row.
"""

import gzip
import io
import json
import lzma
import os
import pickle
import tarfile
import zipfile
import zlib
from bz2 import compress as bzip2
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW = b'{"prompt": "a", "completion": "b"}\n'
BOMB_BYTES = 80 << 20


class Runs:
    """Unpickled, it makes a folder."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("pwned",)


def gzip_bomb(first: bytes = ROW, byte: bytes = b" ") -> bytes:
    """A row, then 80 MB of one byte."""
    packer = zlib.compressobj(9, wbits=31)
    block = byte * (1 << 20)
    packed = [packer.compress(first), *(packer.compress(block) for _ in range(BOMB_BYTES >> 20)), packer.flush()]
    return b"".join(packed)


def zstd_bomb() -> bytes:
    """A row, then 80 MB of blanks."""
    return bytes(pa.compress(ROW + b" " * BOMB_BYTES, "zstd", asbytes=True))


def parquet(table: pa.Table, **how: Any) -> bytes:
    """A table as Parquet."""
    stream = io.BytesIO()
    pq.write_table(table, stream, **how)
    return stream.getvalue()


def dictionary_bomb() -> bytes:
    """One text of 50 MB that stands in ten thousand rows: 500 GB, in a file of some kilobytes."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), pa.array(["x" * 50_000_000]))
    return parquet(
        pa.table({"prompt": texts, "completion": texts}), compression="zstd", dictionary_pagesize_limit=1 << 30
    )


def nested_dictionary_bomb() -> bytes:
    """The same within turns of conversations, after two thousand rows that have none."""
    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    turns = [[]] * 2000 + [[{"role": "user", "content": "x" * 20_000_000}, {"role": "assistant", "content": "y"}]] * 2
    many = pa.array(turns, pa.list_(turn)).take(pa.array([*range(2000), *([2000] * 3)]))
    return parquet(pa.table({"messages": many}), compression="zstd", dictionary_pagesize_limit=1 << 30)


def arrow(array: pa.Array, compression: str | None = None) -> bytes:
    """A column as an Arrow file."""
    stream = io.BytesIO()
    table = pa.table({"prompt": array, "completion": array})
    with pa.ipc.new_file(stream, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return stream.getvalue()


def lying_parquet() -> bytes:
    """A page that says it unpacks to two gigabytes."""
    good = parquet(pa.table({"prompt": ["a" * 300], "completion": ["b"]}), compression="gzip", use_dictionary=False)
    at = good.index(b"\x15", 4)
    return good[: at + 3] + b"\xfe\xff\xff\xff\x0f" + good[at + 4 :]


def zipped(name: str, content: bytes) -> bytes:
    """A zip with one member."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def tarred() -> bytes:
    """A tar with a member that leads out."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("../../pwned")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    return stream.getvalue()


def object_arrays() -> bytes:
    """NumPy's file of arrays, one of which is a pickle."""
    stream = io.BytesIO()
    np.savez(stream, a=np.array([Runs()], dtype=object))
    return stream.getvalue()


def one_row(value: bytes) -> bytes:
    """A row whose prompt is this JSON, after a sound one."""
    return ROW + b'{"prompt": ' + value + b', "completion": "b"}\n'


LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (ord("b") + n, ord("b") + n, b",".join([b"*%c" % (ord("a") + n)] * 9)) for n in range(9)
)
ENTITIES = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'

FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "gzip bomb.jsonl.gz": (gzip_bomb, ""),
    "gzip bomb of letters.jsonl.gz": (lambda: gzip_bomb(byte=b"x"), ""),
    "gzip bomb of brackets.json.gz": (lambda: gzip.compress(b"[" * 1_000_000), "nested|no rows|None of"),
    "gzip bomb of quotes.csv.gz": (lambda: gzip_bomb(b'a,b\n1,2\n"', b'"'), ""),
    "gzip of gzip.jsonl.gz": (lambda: gzip.compress(gzip_bomb()), "binary|cannot|None"),
    "many members.jsonl.gz": (lambda: gzip.compress(b"") * 100_000 + gzip.compress(ROW), ""),
    "zstd bomb.jsonl.zst": (zstd_bomb, ""),
    "parquet in a gzip bomb.parquet.gz": (lambda: gzip_bomb(b"PAR1", b"\0"), "GLEANER_UNPACKED_RATIO"),
    "bzip2.jsonl.bz2": (lambda: bzip2(ROW * 1000), "binary|cannot|not"),
    "xz.jsonl.xz": (lambda: lzma.compress(ROW * 1000), "binary|cannot|not"),
    "zip.jsonl": (lambda: zipped("x.jsonl", b" " * (100 << 20)), "binary|cannot|not"),
    "sheet.xlsx": (lambda: zipped("xl/workbook.xml", ENTITIES), "binary|cannot|not"),
    "entities.jsonl": (lambda: ENTITIES, ""),
    "tar.jsonl": (tarred, "binary|cannot|not"),
    "pickle.jsonl": (lambda: pickle.dumps(Runs()), "binary|cannot|not"),
    "pickle as text.txt": (lambda: pickle.dumps(Runs(), 0), ""),
    "arrays.npz": (object_arrays, "binary|cannot|not"),
    "picture.jsonl": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(1000), "binary|cannot|not"),
    "laughs.txt": (lambda: LAUGHS, ""),
    "nested lists.jsonl": (lambda: one_row(b"[" * 100_000 + b"]" * 100_000), ""),
    "nested objects.jsonl": (lambda: one_row(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), ""),
    "nested array.json": (lambda: b"[" * 1_000_000, "None|cannot|nested|no rows"),
    "a number of a million digits.jsonl": (lambda: one_row(b"9" * 1_000_000), ""),
    "a fraction of a million digits.jsonl": (lambda: one_row(b"0." + b"1" * 1_000_000), ""),
    "an endless number.jsonl": (lambda: one_row(b"1e999999999"), ""),
    "not a number.jsonl": (lambda: one_row(b"NaN"), ""),
    "a lone surrogate.jsonl": (lambda: one_row(b'"\\ud800"'), ""),
    "an escaped NUL.jsonl": (lambda: one_row(b'"\\u0000"'), ""),
    "a hundred thousand keys.jsonl": (
        lambda: ROW + json.dumps({"prompt": "a", "completion": "b"} | {f"k{n}": n for n in range(100_000)}).encode(),
        "",
    ),
    "the same key ten thousand times.jsonl": (lambda: ROW + b'{"prompt": "a"' + b',"x":1' * 10_000 + b"}\n", ""),
    "colliding keys.json": (lambda: b"{" + b",".join(b'"%d": [1]' % n for n in range(100_000)) + b"}", ""),
    "a quote that does not close.csv": (lambda: b'prompt,completion\na,b\n"' + b"x\n" * 200_000, ""),
    "a hundred thousand columns.csv": (lambda: b",".join(b"c%d" % n for n in range(100_000)) + b"\n", ""),
    "only commas.csv": (lambda: b"prompt,completion\na,b\n" + b"," * 1_000_000 + b"\n", ""),
    "only line breaks.jsonl": (lambda: ROW + b"\n" * 1_000_000, ""),
    "only carriage returns.jsonl": (lambda: ROW.replace(b"\n", b"\r") + b"\r" * 1_000_000, ""),
    "a lying page.parquet": (lying_parquet, "broken|cannot|None"),
    "one text in every row.parquet": (dictionary_bomb, ""),
    "one text in every turn.parquet": (nested_dictionary_bomb, ""),
    "one text in every row.arrow": (
        lambda: arrow(pa.DictionaryArray.from_arrays(pa.array([0] * 10_000), pa.array(["x" * 2_000_000]))),
        "",
    ),
    "a packed text.arrow": (lambda: arrow(pa.array(["x" * 300_000_000]), "zstd"), "GLEANER_UNPACKED_RATIO"),
    "one value a billion times.arrow": (
        lambda: arrow(pa.RunEndEncodedArray.from_arrays(pa.array([2_000_000_000], pa.int32()), pa.array(["x"]))),
        "run|cannot|None|broken",
    ),
    "no value a billion times.arrow": (lambda: arrow(pa.nulls(1_000_000_000)), "cannot|None"),
    "a footer beyond the end.parquet": (lambda: b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1", "broken"),
    "a schema that is none.arrow": (lambda: b"ARROW1\0\0" + b"\xff" * 4096 + b"ARROW1", "broken"),
}
HOLDS = "read in bounds of memory and time: what is sound is offered, what is not is said in one line or quarantined"
SPARSE = "four sparse gigabytes.jsonl"
CASES = [
    *(("a file in an allowed folder, looked into and loaded", name, HOLDS) for name in FILES),
    ("a file in an allowed folder, looked into and loaded", SPARSE, HOLDS),
]
