"""Route Parquet files into Parquet files: sources -> parts -> whole files, restartable at every part."""
