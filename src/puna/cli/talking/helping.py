"""What may be typed in a talk."""

COMMANDS = '''\
Available Commands:
  /set            Set session variables
  /show           Show model information
  /load <model>   Load a session or model
  /save <model>   Save your current session
  /clear          Clear session context
  /bye            Exit
  /?, /help       Help for a command
  /? shortcuts    Help for keyboard shortcuts

Use """ to begin a multi-line message, and Tab to complete a command.
Models that see take images by their paths: what is in ./cat.png?
'''

SET = """\
Available Commands:
  /set parameter ...     Set a parameter
  /set system <text>     Set the system message
  /set history           Remember what is typed
  /set nohistory         Do not remember what is typed
  /set wordwrap          Break lines between words
  /set nowordwrap        Leave lines as they are
  /set format json       Answer in JSON, or with a file's name, by the JSON schema in it
  /set noformat          Answer in any form
  /set verbose           Show counts, durations and rates
  /set quiet             Do not show them
  /set think [level]     Think before answering: low, medium or high, where the model can
  /set nothink           Do not think
"""

SHOW = """\
Available Commands:
  /show info         Show details for this model
  /show license      Show the model's license
  /show modelfile    Show the Modelfile for this model
  /show parameters   Show parameters for this model
  /show system       Show the system message
  /show template     Show the prompt template
"""

SHORTCUTS = """\
Available keyboard shortcuts:
  Ctrl + a            Move to the beginning of the line (Home)
  Ctrl + e            Move to the end of the line (End)
   Alt + b            Move back (left) one word
   Alt + f            Move forward (right) one word
  Ctrl + k            Delete the rest of the line
  Ctrl + u            Delete the line before the cursor
  Ctrl + w            Delete the word before the cursor
  Ctrl + r            Search what was typed before
   Alt + Enter        Begin a new line

  Ctrl + l            Clear the screen
  Ctrl + g            Write in the editor that VISUAL or EDITOR names
  Ctrl + c            Stop the answer
  Ctrl + d            Exit (/bye)
"""

PARAMETERS = """\
Available Parameters, among others:
  /set parameter seed <int>             Random number seed
  /set parameter num_predict <int>      Max number of tokens to predict
  /set parameter top_k <int>            Pick from top k num of tokens
  /set parameter top_p <float>          Pick token based on sum of probabilities
  /set parameter min_p <float>          Pick token based on top token probability * min_p
  /set parameter num_ctx <int>          Set the context size
  /set parameter temperature <float>    Set creativity level
  /set parameter repeat_penalty <float> How strongly to penalize repetitions
  /set parameter repeat_last_n <int>    Set how far back to look for repetitions
  /set parameter num_gpu <int>          The number of layers to send to the GPU
  /set parameter stop <text> <text> ... Set the stop parameters
"""

TOPICS = {"set": SET, "show": SHOW, "shortcuts": SHORTCUTS}


def help_on(topic: str) -> str:
    """Help on a command or on the keys, else on all."""
    return TOPICS.get(topic.removeprefix("/"), COMMANDS)
