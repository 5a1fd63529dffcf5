"""Model adapters, and the Cambrian network in `cambrian/`. An adapter is imported when a spec names it."""
