"""The command line: one file per verb, the only room that imports all others, and only when the verb runs."""

import os
import warnings

if "error" in os.environ.get("PYTHONWARNINGS", ""):
    # Libraries warn when they are imported: their warnings stay warnings, here and in worker processes.
    del os.environ["PYTHONWARNINGS"]
    warnings.simplefilter("default")
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)
