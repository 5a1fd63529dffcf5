"""Tests of kills, full disks, lost nodes and harmful data, each compared with a run that met none of them."""
