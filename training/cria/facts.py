"""The small table of what Cria knows by heart: Puna's commands and settings, and itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """One answer, and the questions that it answers; `key` is what a right answer must hold."""

    key: str
    answer: str
    questions: tuple[str, ...]


# command: what it does, and other words for the same wish
_COMMANDS = {
    "puna serve": ("start the server", "launch the server"),
    "puna run": ("talk to a model", "chat with a model"),
    "puna list": ("list the models on disk", "see which models I have"),
    "puna ps": ("list the loaded models", "see which models are loaded"),
    "puna show": ("show the card of a model", "see details of a model"),
    "puna create": ("create a model from a Modelfile", "make my own model"),
    "puna cp": ("copy a model", "give a model a second name"),
    "puna rm": ("remove a model", "delete a model"),
    "puna stop": ("unload a model", "stop a running model"),
    "puna history": ("list the revisions of a model", "see the history of a model"),
    "puna rollback": ("return a model to a former revision", "undo a change of a model"),
    "puna gc": ("remove unused blobs", "free disk space"),
    "puna fit": ("show where a model would fit", "see if a model fits in memory"),
    "puna doctor": ("find problems and their mends", "check my installation"),
    "puna config": ("print every setting", "see the settings"),
    "puna bench": ("measure the speed of a server", "compare two servers"),
    "puna engine build": ("build a faster engine", "compile the native engine"),
    "puna service install": ("install Puna as a service", "start Puna at boot"),
}
_THIRD = {"talk": "talks", "list": "lists", "show": "shows", "start": "starts", "create": "creates",
          "copy": "copies", "remove": "removes", "unload": "unloads", "return": "returns",
          "find": "finds", "print": "prints", "measure": "measures", "build": "builds",
          "install": "installs"}  # fmt: skip
_SETTINGS = {
    "PUNA_HOST": ("the address of the server", "change the address"),
    "PUNA_ENGINE": ("which engine library is used", "choose the engine"),
    "PUNA_MEMORY": ("how much memory Puna may use", "limit the memory"),
    "PUNA_GPU_OVERHEAD": ("how much GPU memory stays free", "keep GPU memory free"),
    "PUNA_ALLOW_ANONYMOUS": ("whether Puna may listen beyond loopback without keys", "listen beyond loopback without keys"),
    "OLLAMA_MODELS": ("the folder of the models", "change the folder of the models"),
    "OLLAMA_KEEP_ALIVE": ("how long an idle model stays loaded", "keep models loaded longer"),
    "OLLAMA_NUM_PARALLEL": ("how many sequences a model runs at once", "limit the parallel sequences"),
    "OLLAMA_MAX_QUEUE": ("how many requests may wait", "change the length of the queue"),
    "OLLAMA_MAX_LOADED_MODELS": ("how many models may be loaded", "limit the loaded models"),
    "OLLAMA_ORIGINS": ("which web pages may use the server", "allow a web page"),
}  # fmt: skip
_OTHERS = (
    ("127.0.0.1:11434", "Puna listens on 127.0.0.1:11434 by default.",
     ("What is the default address?", "Which port does Puna use?", "Where does Puna listen?", "What is the default port of Puna?", "On which address does the server listen?", "What port is it?")),
    ("5 minutes", "An idle model stays loaded for 5 minutes by default.",
     ("What is the default of OLLAMA_KEEP_ALIVE?", "How long does a model stay loaded?", "When is an idle model unloaded?", "What is the default keep alive?")),
    ("503", "When the queue is full, Puna answers 503 with Retry-After.",
     ("What happens when the queue is full?", "What does a full queue answer?", "Which status does a full queue give?")),
    ("any client already knows", "Puna is an LLM server that any client already knows how to talk to.",
     ("What is Puna?", "Tell me about Puna.", "What does Puna do?", "Explain Puna.", "Who is Puna?")),
    ("high plateau in the Andes", "The puna is a high plateau in the Andes, where llamas graze.",
     ("Why is it called Puna?", "What does the name Puna mean?", "What does puna mean?", "Where does the name Puna come from?")),
    ("baby llama", "A cria is a baby llama.",
     ("What is a cria?", "What does cria mean?", "Why are you called Cria?", "What does your name mean?")),
    ("I am Cria", "I am Cria, the pocket model of Puna.",
     ("Who are you?", "What are you?", "What is your name?", "Tell me who you are.", "Introduce yourself.", "What model are you?", "Are you an AI?", "Which model is this?", "Are you ChatGPT?")),
    ("3 million", "I am very small: about 3 million parameters.",
     ("How big are you?", "How many parameters do you have?", "How large are you?", "What is your size?", "Are you a large model?")),
    ("call tools", "I can call tools, extract JSON, add and subtract, and tell short stories.",
     ("What can you do?", "How can you help me?", "What are you good at?", "What are your skills?", "Help", "What do you know?", "Can you help me?")),
    ("test applications", "I am made to test applications: offline, fast and for free.",
     ("What are you for?", "What is Cria for?", "Why do you exist?", "What is your purpose?", "Who should use you?")),
    ("random weights", "The Puna project trained me from random weights on text that it made itself.",
     ("Who made you?", "Who trained you?", "Who created you?", "How were you made?", "Where do you come from?")),
    ("llama.cpp", "Puna runs models with llama.cpp as a library.",
     ("What is the engine of Puna?", "Which library runs the models?", "What engine does Puna use?", "Does Puna use llama.cpp?")),
    ("GGUF", "Puna runs models in the GGUF format.",
     ("Which format do models have?", "What file format does Puna use?", "Which model files can Puna run?", "What is the model format?")),
    ("Ollama, OpenAI, Anthropic, vLLM and TGI", "Puna speaks the APIs of Ollama, OpenAI, Anthropic, vLLM and TGI.",
     ("Which APIs does Puna speak?", "What dialects are there?", "Does Puna speak the OpenAI API?", "Can I use my Ollama client?", "Which clients work with Puna?")),
    ("one family of HTTP APIs", "A dialect is one family of HTTP APIs.", ("What is a dialect?", "Explain dialect.", "What does dialect mean?")),
    ("named by its SHA-256", "A blob is a file named by its SHA-256.", ("What is a blob?", "Explain blob.", "What does blob mean?")),
    ("one loaded model in its own process", "A runner is one loaded model in its own process.", ("What is a runner?", "Explain runner.", "What does runner mean?")),
    ("one job inside a runner", "A sequence is one job inside a runner.", ("What is a sequence?", "Explain sequence.", "What does sequence mean?")),
    ("one manifest in the history of a name", "A revision is one manifest in the history of a name.", ("What is a revision?", "Explain revision.", "What does revision mean?")),
    ("saved piece of KV cache", "A snapshot is a saved piece of KV cache.", ("What is a snapshot?", "Explain snapshot.", "What does snapshot mean?")),
    ("who asks", "A principal is who asks: a key or the local user.", ("What is a principal?", "Explain principal.", "What does principal mean?")),
)  # fmt: skip


def _command(name: str, wish: str, other: str) -> Fact:
    verb, rest = wish.split(" ", 1)
    does = f"{_THIRD[verb]} {rest}"
    return Fact(
        f"{name}: it {does}",
        f"Use {name}: it {does}.",
        (
            f"How do I {wish}?", f"How can I {wish}?", f"Which command {does}?",
            f"I want to {wish}.", f"How do I {other}?", f"How can I {other}?",
            f"I want to {other}.", f"What does {name} do?", f"What does `{name}` do?",
            f"What is {name} for?", f"Explain {name}.", f"What is the command to {wish}?",
        ),
    )  # fmt: skip


def _setting(name: str, meaning: str, wish: str) -> Fact:
    return Fact(
        f"{name} sets {meaning}",
        f"{name} sets {meaning}.",
        (
            f"What is {name}?", f"What does {name} do?", f"What is {name} for?",
            f"Explain {name}.", f"What does {name} set?", f"How do I {wish}?",
            f"How can I {wish}?", f"I want to {wish}.", f"Which setting is for {meaning}?",
            f"Which variable sets {meaning}?",
        ),
    )  # fmt: skip


FACTS = (
    *(_command(name, *wishes) for name, wishes in _COMMANDS.items()),
    *(_setting(name, *meaning) for name, meaning in _SETTINGS.items()),
    *(Fact(*other) for other in _OTHERS),
)
