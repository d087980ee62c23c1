"""What the pocket model is asked in many tests, and its answer."""

from typing import Any

import ollama
from ollama import Options

GREEDY = Options(temperature=0)
STORY = "Tell me a happy story about a fox in the forest."


def user(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **more}


def said(client: ollama.Client, text: str, **options: Any) -> str:
    options.setdefault("temperature", 0)
    answer = client.chat("cria", [user(text)], think=False, options=options)
    return answer.message.content or ""
