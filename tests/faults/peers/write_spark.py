"""Appends players and scores with Spark's JDBC writer: `spark-submit write_spark.py ROWS URL USER PASSWORD`."""

import sys
import time

from pyspark.sql import SparkSession, functions

rows, url, user, password = int(sys.argv[1]), *sys.argv[2:5]
spark = SparkSession.builder.appName("churn").getOrCreate()
frame = spark.range(1, rows + 1, numPartitions=8).select(
    functions.format_string("P-%d", "id").alias("player_id"),
    (functions.col("id") / rows).alias("churn_probability"),
)
print("writing", flush=True)
start = time.monotonic()
frame.write.mode("append").jdbc(
    url,
    "peers.scores",
    properties={
        "user": user,
        "password": password,
        "driver": "org.postgresql.Driver",
    },
)
print(time.monotonic() - start, flush=True)
java = spark.sparkContext._jvm.System.getProperty("java.version")
print(f"Spark {spark.version}, Java {java}", flush=True)
spark.stop()
