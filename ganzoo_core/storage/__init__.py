"""Files on the disk: atomic writes, JSON and tensors, and checks of files from strangers."""
