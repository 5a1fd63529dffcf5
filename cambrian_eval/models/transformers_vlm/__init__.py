"""`hf:ID_OR_PATH`: any transformers image-text-to-text model. `adapter` is imported first and loads the rest."""
