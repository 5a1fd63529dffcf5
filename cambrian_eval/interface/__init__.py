"""What people use from Python and in notebooks: runs as data frames, tables, figures and comparisons."""
