"""Tables, figures, clustering and the HTML report, imported as `cambrian_eval.reports`; reads runs through the store alone."""
