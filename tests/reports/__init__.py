"""Tests of tables, figures, analysis and the report page."""
