"""Text for every engine: templates, tokens, markup; knows no engine."""
