"""Model adapters, a file each, and the Cambrian network in `cambrian/`. Nothing is imported until a spec names it."""
