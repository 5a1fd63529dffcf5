"""Adapters of the OCR & Chart category."""
