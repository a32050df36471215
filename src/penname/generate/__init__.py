"""Writing for users who were not in training: what a notebook, the command line and a server use.

`writer.Writer` takes the model and the method, and makes a `request.Request` of each prompt.
`by_model.ModelWriter` answers it with one model: retrieve the user's documents, render, sample, choose a candidate.
`by_pat.PaTWriter` answers it with PaT: find trajectories, let the agents write summaries, then let the generator write.
Either one returns a `request.Written`: the text, its reasoning, and notes for the reader.
"""
