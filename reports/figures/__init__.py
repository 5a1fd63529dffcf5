"""The figures, one file each: from values that other modules computed to a `Drawing`; nothing is computed twice."""
