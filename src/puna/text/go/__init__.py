"""Go's text/template in Python, with what Ollama gives to its templates."""
