"""To talk with a model in a terminal: what is typed, what is asked, and how answers are shown."""
