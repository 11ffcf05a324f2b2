"""Writes tables as Parquet or Arrow in many ways, and beside each FILE the cells that pyarrow reads from it, as FILE.json.

write_columns.py parquet|arrow FOLDER
"""

import decimal
import itertools
import json
import math
import sys
import uuid

import duckdb
import fastparquet
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq

random = np.random.default_rng(20240607)


def texts(rows):
    words = ["", "US", "naïve", "日本", "x" * 40, "🎲 dice", 'a"b', "NA"]
    return [words[i] + (str(n) if n % 3 else "") for i, n in zip(random.integers(0, len(words), rows), random.integers(0, 10**6, rows))]


def decimals(rows, digits, scale):
    return [decimal.Decimal(int("".join(map(str, random.integers(0, 10, digits)))) * (-1 if n else 1)).scaleb(-scale, decimal.Context(prec=60)) for n in random.integers(0, 2, rows)]


def integers(rows, low, high):
    values = [int(v) for v in random.integers(low, high, rows, endpoint=True, dtype=np.int64 if high < 2**63 else np.uint64)]
    values[:4] = [low, high, 0, 1][:rows]
    return values


def typed(rows):
    """Every type that is used, as (type, values)."""
    floats = random.normal(0, 1e3, rows)
    floats[:6] = [0.0, -0.0, math.nan, math.inf, 5e-324, 1.7976931348623157e308][:rows]
    yield "bool", pa.bool_(), [bool(v) for v in random.integers(0, 2, rows)]
    for bits in (8, 16, 32, 64):
        yield f"i{bits}", getattr(pa, f"int{bits}")(), integers(rows, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        yield f"u{bits}", getattr(pa, f"uint{bits}")(), integers(rows, 0, 2**bits - 1)
    yield "safe", pa.int64(), integers(rows, -(2**53) + 1, 2**53 - 1)
    yield "few", pa.int64(), integers(rows, 0, 9)
    yield "one", pa.int32(), [7] * rows
    yield "f16", pa.float16(), [np.float16(v) for v in random.normal(0, 10, rows)]
    yield "f32", pa.float32(), [float(np.float32(v)) if abs(v) < 3e38 or math.isnan(v) or math.isinf(v) else 1.0 for v in floats]
    yield "f64", pa.float64(), list(floats)
    yield "steps", pa.float64(), [round(v, 1) for v in random.normal(50, 9, rows)]
    yield "dec9", pa.decimal128(9, 2), decimals(rows, 9, 2)
    yield "dec18", pa.decimal128(18, 4), decimals(rows, 18, 4)
    yield "dec38", pa.decimal128(38, 10), decimals(rows, 38, 10)
    yield "dec20", pa.decimal128(20, 0), decimals(rows, 20, 0)
    yield "text", pa.string(), texts(rows)
    yield "id", pa.string(), [f"player-{n:07}" for n in range(rows)]
    yield "large", pa.large_string(), texts(rows)
    yield "label", pa.string(), [["US", "GB", "ø"][n] for n in random.integers(0, 3, rows)]
    yield "coded", pa.dictionary(pa.int32(), pa.string()), [["north", "south", "ø"][n] for n in random.integers(0, 3, rows)]


def table(rows, missing):
    """Each type twice: without and with missing values."""
    arrays, fields = [], []
    for name, type, values in typed(rows):
        for share in (0, missing):
            holes = [v if random.random() >= share else None for v in values] if share else values
            if share > 0.9 and rows > 20:
                holes[: rows // 2] = [None] * (rows // 2)
            if pa.types.is_dictionary(type):
                array = pa.array(holes, pa.string()).dictionary_encode()
            else:
                array = pa.array(holes, type)
            arrays.append(array)
            fields.append(pa.field(f"{name}_{'missing' if share else 'all'}", array.type, nullable=share > 0))
    arrays.append(pa.nulls(rows))
    fields.append(pa.field("nothing", pa.null()))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def unusable(rows):
    return pa.table({
        "x": pa.array(range(rows)),
        "date": pa.array([i for i in range(rows)], pa.date32()),
        "timestamp": pa.array(range(rows), pa.timestamp("us")),
        "timestamp_s": pa.array(range(rows), pa.timestamp("s", tz="UTC")),
        "time": pa.array(range(rows), pa.time64("us")),
        "duration": pa.array(range(rows), pa.duration("us")),
        "list": pa.array([[i, i] for i in range(rows)]),
        "struct": pa.array([{"a": i, "b": [i]} for i in range(rows)]),
        "map": pa.array([[("k", i)] for i in range(rows)], pa.map_(pa.string(), pa.int64())),
        "binary": pa.array([b"x"] * rows),
        "fixed": pa.array([b"xy"] * rows, pa.binary(2)),
        "y": pa.array([str(i) for i in range(rows)]),
    })


def cell(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return cell(int(value)) if value == value.to_integral_value() and value.as_tuple().exponent >= 0 else float(value)
    if isinstance(value, int):
        return value if abs(value) < 2**53 else {"exact": str(value)}
    value = float(value)
    return None if math.isnan(value) else {"float": str(value)} if math.isinf(value) else value


def record(path, table):
    columns = {name: [cell(v) for v in table.column(name).to_pylist()] for name in table.column_names}
    with open(f"{path}.json", "w") as file:
        json.dump(columns, file)


def write_parquet(folder):
    count = itertools.count()

    def at(what):
        return f"{folder}/{next(count):03} {what}"

    def write(table, what, **options):
        path = at(what)
        pq.write_table(table, path, **options)
        record(path, pq.read_table(path))

    small, some, most = table(300, 0.3), table(1500, 0.1), table(700, 0.95)
    for codec in ("none", "snappy", "gzip", "zstd", "lz4", "brotli"):
        for version in ("1.0", "2.0"):
            write(some, f"pyarrow {codec} page {version}", compression=codec, data_page_version=version)
    for checksum in (False, True):
        for dictionary in (False, True):
            for version in ("1.0", "2.0"):
                write(most, f"pyarrow page {version} dictionary {dictionary} checksum {checksum}",
                      data_page_version=version, use_dictionary=dictionary, write_page_checksum=checksum)
                write(some, f"pyarrow many pages {version} dictionary {dictionary} checksum {checksum}", row_group_size=600,
                      data_page_version=version, use_dictionary=dictionary, write_page_checksum=checksum,
                      data_page_size=500, write_batch_size=50, dictionary_pagesize_limit=2000)
    for version in ("1.0", "2.4", "2.6"):
        write(small, f"pyarrow format {version}", version=version)
    plain = [name for name in some.column_names if not name.startswith(("bool", "coded", "nothing"))]
    numeric = [n for n in plain if n.split("_")[0] in ("i32", "i64", "u32", "u64", "i8", "i16", "u8", "u16", "safe", "few", "one")]
    strings = [n for n in plain if n.split("_")[0] in ("text", "id", "large", "label")]
    split = [n for n in plain if n.split("_")[0] in ("f32", "f64", "f16", "i32", "i64", "dec9", "dec18", "dec38", "steps")]
    for version in ("1.0", "2.0"):
        for encoding, names in (("DELTA_BINARY_PACKED", numeric), ("DELTA_LENGTH_BYTE_ARRAY", strings),
                                ("DELTA_BYTE_ARRAY", strings), ("BYTE_STREAM_SPLIT", split)):
            for source in (some, most):
                write(source.select(names), f"pyarrow {encoding} {version} {source.num_rows}", use_dictionary=False, data_page_version=version,
                      column_encoding={n: encoding for n in names}, data_page_size=3000, write_batch_size=100)
    write(table(1, 0.5), "pyarrow one row")
    write(small.slice(0, 0), "pyarrow no rows")
    for codec in (None, "SNAPPY", "GZIP", "ZSTD", "LZ4_RAW", "BROTLI"):
        path = at(f"fastparquet {codec}")
        names = [n for n in plain if not n.startswith(("f16", "dec", "u64"))]
        frame = some.select([n for n in names if n.endswith("all")]).to_pandas()
        frame["text_missing"] = some.column("text_missing").to_pandas()
        frame["f64_missing"] = some.column("f64_missing").to_pandas()
        frame["category"] = pd.Categorical(frame["label_all"])
        fastparquet.write(path, frame, compression=codec, row_group_offsets=600)
        record(path, pq.read_table(path))
    for codec in ("uncompressed", "snappy", "gzip", "zstd", "lz4", "brotli"):
        path = at(f"polars {codec}")
        names = [n for n in some.column_names if not n.startswith("f16")]
        pl.from_arrow(some.select(names)).write_parquet(path, compression=codec, row_group_size=700, data_page_size=2000)
        record(path, pq.read_table(path))
    base = duckdb.connect()
    base.register("source", some.select([n for n in some.column_names if not n.startswith("f16")]))
    for codec, version in itertools.product(("uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"), ("V1", "V2")):
        path = at(f"duckdb {codec} {version}")
        base.execute(f"copy (select *, uuid() as uuid from source) to '{path}' (format parquet, codec '{codec}', parquet_version {version}, row_group_size 2048)")
        # pyarrow 26 fails at DELTA_BINARY_PACKED pages of DuckDB 2.0 in version 2 ("InitBlock EOF").
        record(path, base.execute(f"select * from read_parquet('{path}')").to_arrow_table())
    path = at("pandas index")
    frame = pd.DataFrame({"a": [1.5, None, 2], "b": ["x", "y", None]}, index=[5, 7, 9])
    frame.to_parquet(path)
    record(path, pa.table({"a": [1.5, None, 2], "b": ["x", "y", None]}))
    path = at("pandas index with a name")
    frame.rename_axis("player").to_parquet(path)
    record(path, pa.table({"a": [1.5, None, 2], "b": ["x", "y", None], "player": [5, 7, 9]}))
    path = at("pandas range index")
    frame.reset_index(drop=True).to_parquet(path)
    record(path, pa.table({"a": [1.5, None, 2], "b": ["x", "y", None]}))
    path = at("unusable")
    pq.write_table(unusable(200), path)
    record(path, unusable(200).select(["x", "y"]))


def write_arrow(folder):
    count = itertools.count()

    def at(what):
        return f"{folder}/{next(count):03} {what}"

    some, most = table(1500, 0.1), table(700, 0.95)
    for codec in (None, "lz4", "zstd"):
        for source in (some, most, table(1, 0.5)):
            for kind, new in (("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)):
                path = at(f"pyarrow {kind} {codec} {source.num_rows}")
                with new(path, source.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as file:
                    file.write_table(source, max_chunksize=600)
                record(path, source)
        path = at(f"feather {codec}")
        pa.feather.write_feather(some, path, compression=codec or "uncompressed", chunksize=700)
        record(path, some)
    for version in (pa.ipc.MetadataVersion.V4, pa.ipc.MetadataVersion.V5):
        path = at(f"pyarrow metadata {version} unaligned")
        with pa.ipc.new_stream(path, some.schema, options=pa.ipc.IpcWriteOptions(metadata_version=version)) as file:
            file.write_table(some)
        record(path, some)
    path = at("pyarrow legacy stream")
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    words = [pa.array(["a", "b"]), pa.array(["a", "b", "c"]), pa.array(["a", "b", "c", "d"])]
    batches = [pa.record_batch([pa.DictionaryArray.from_arrays(pa.array([0, 1, None, i + 1], pa.int8()), word)], ["deltas"]) for i, word in enumerate(words)]
    for kind, new, options in (("stream deltas", pa.ipc.new_stream, options), ("file deltas", pa.ipc.new_file, options),
                               ("stream replaced", pa.ipc.new_stream, pa.ipc.IpcWriteOptions())):
        path = at(kind)
        with new(path, batches[0].schema, options=options) as file:
            for batch in batches:
                file.write_batch(batch)
        record(path, pa.Table.from_batches(batches))
    views = some.select([n for n in some.column_names if n.startswith(("text", "id", "label"))])
    views = views.cast(pa.schema([pa.field(n, pa.string_view()) for n in views.column_names]))
    wide = pa.table({
        "dec32": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-9.99")], pa.decimal32(9, 2)),
        "dec64": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-9.99")], pa.decimal64(18, 2)),
        "dec256": pa.array([decimal.Decimal("1" * 60), None, decimal.Decimal(-3)], pa.decimal256(76, 0)),
        "large_codes": pa.array(["x", None, "y"]).dictionary_encode().cast(pa.dictionary(pa.int64(), pa.large_string())),
        "numbers": pa.array([1.5, None, 2.5]).dictionary_encode(),
    })
    for codec in (None, "lz4", "zstd"):
        for name, source in (("views", views), ("wide", wide), ("slice", some.slice(1234, 133))):
            path = at(f"{name} {codec}")
            with pa.ipc.new_file(path, source.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as file:
                file.write_table(source)
            record(path, source)
    for codec in ("uncompressed", "lz4", "zstd"):
        path = at(f"polars {codec}")
        frame = pl.from_arrow(some.select([n for n in some.column_names if not n.startswith("f16")]))
        frame = frame.with_columns(pl.col("label_all").cast(pl.Categorical).alias("category"), pl.col("label_missing").cast(pl.Enum(["US", "GB", "ø"])).alias("enum"))
        frame.write_ipc(path, compression=codec)
        record(path, frame.to_arrow())
        path = at(f"polars stream {codec}")
        frame.write_ipc_stream(path, compression=codec)
        record(path, frame.to_arrow())
    path = at("no batches")
    with pa.ipc.new_file(path, some.schema):
        pass
    record(path, some.slice(0, 0))
    path = at("unusable")
    pa.feather.write_feather(unusable(200), path)
    record(path, unusable(200).select(["x", "y"]))


if __name__ == "__main__":
    {"parquet": write_parquet, "arrow": write_arrow}[sys.argv[1]](sys.argv[2])
