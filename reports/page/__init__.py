"""report.html: one self-contained file with the summary, the figures and a browser of samples."""
