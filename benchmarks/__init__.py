"""The experiments: what is run and where the files go; how is in `digitrec`."""
