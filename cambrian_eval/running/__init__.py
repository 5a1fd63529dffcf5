"""Driving a model over samples: settings, manifest, store, shards, merging, status."""
