"""Tables, figures, clustering and the HTML report, imported as `cambrian_eval.reports`.

Reads runs through the store alone. Importing it costs nothing: each module loads what it needs.
"""
