"""`ganzoo explore` in a browser: which latents the page can ask for, and the server that answers it."""
