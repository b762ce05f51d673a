"""What a latent space holds: walks through it, and the page of `ganzoo explore`."""
