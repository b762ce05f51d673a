"""Files on the disk: whole or not at all, JSON and tensors, and what may be believed of a stranger's."""
