"""
Appends players and scores with Spark's JDBC writer, in a session that stays as in a
notebook: one write for each URL on stdin, which is answered by "done" or "failed".
"""

import sys
import time

from pyspark.sql import SparkSession, functions

rows, user, password, jar = int(sys.argv[1]), *sys.argv[2:5]
spark = (
    SparkSession.builder.appName("churn")
    .master("local[2,3]")  # two threads; a task is tried three times
    .config("spark.jars", jar)
    .config("spark.driver.extraClassPath", jar)
    .config("spark.ui.enabled", "false")
    # Java's quick compiler and collector halve the time to start.
    .config(
        "spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    )
    .getOrCreate()
)
frame = spark.range(1, rows + 1, numPartitions=8).select(
    functions.format_string("P-%d", "id").alias("player_id"),
    (functions.col("id") / rows).alias("churn_probability"),
)
java = spark.sparkContext._jvm.java.lang
print(
    java.ProcessHandle.current().pid(),
    f"Spark {spark.version}, Java {java.System.getProperty('java.version')}",
    flush=True,
)
for line in sys.stdin:
    print("writing", flush=True)
    start = time.monotonic()
    try:
        frame.write.mode("append").jdbc(
            line.strip(),
            "peers.scores",
            properties={
                "user": user,
                "password": password,
                "driver": "org.postgresql.Driver",
            },
        )
        print("done", time.monotonic() - start, flush=True)
    except Exception as error:
        print("failed", repr(error)[:500].replace("\n", " "), flush=True)
