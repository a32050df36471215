"""The page on which a model is trained: a run is chosen, begun, watched, paused and gone on with."""
