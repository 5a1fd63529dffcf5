"""Rows of datasets: from the Hub, Parquet, JSONL, `save_to_disk` folders and the miniature suite."""
