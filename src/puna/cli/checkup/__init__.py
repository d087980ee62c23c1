"""What `puna doctor` looks at."""
