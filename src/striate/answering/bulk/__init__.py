"""BULK: millions of pictures answered into a folder of Parquet, here or on a cluster, each of them once."""
