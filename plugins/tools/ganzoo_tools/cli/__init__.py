"""The commands of this package, one file each; each imports what it needs in its body."""
