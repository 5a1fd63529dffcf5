"""Tests of kills, full disks, lost nodes and harmful data; each run is compared with one without faults."""
