"""Many rows through Parquet, Ray and Spark, next to plain processes."""
