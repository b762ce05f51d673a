"""The commands that `ganzoo` gains by this package, a file each; each imports what it needs in its body."""
