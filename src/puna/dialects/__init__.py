"""The families of HTTP APIs: each parses requests into jobs and renders deltas."""
