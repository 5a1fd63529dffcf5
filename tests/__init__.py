"""The tests, in folders that mirror the rooms; what several folders share is in `conftest`."""
