"""What is asked of a plugin's code where it is called, and what is said of it when it fails."""
