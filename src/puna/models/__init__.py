"""Names and files of models."""
