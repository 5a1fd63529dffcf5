"""Recipes: under which circumstances a model's official numbers were made, a TOML file each.

`recipe` says what a file may contain, `templates` how its prompt templates are filled in, `catalog` which there are.
"""
