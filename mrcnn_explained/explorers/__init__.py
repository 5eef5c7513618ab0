"""Interactive views, one a stage: what a reader changes goes through the stage function again."""
