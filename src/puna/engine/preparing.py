"""From a job to requests: its prompt, its constraint, its transcripts. All of it may block."""

from collections.abc import Sequence

from puna.engine.answer import Answer
from puna.engine.breakers import Breakers
from puna.engine.constraints import Compiled
from puna.engine.loaded import Loaded
from puna.engine.prompts import Prompt
from puna.engine.sequence import Request
from puna.engine.transcript import Transcript
from puna.errors import BadRequest, MissingCapability
from puna.jobs import ChatJob, CompleteJob, Constraint, GenerateJob, Tool, ToolCall
from puna.protocol import Resume, Submit
from puna.text.markup.grammar import calls_grammar
from puna.text.markup.lark import TokenOf
from puna.text.markup.opening import Way, answer_grammar, answer_way
from puna.text.markup.parser import Parser
from puna.text.stops import Stops
from puna.text.stream import TextStream

MAX_CHOICES = 128
# Of each token, of a long prompt's too.
MAX_LIKELIEST = 20


def prepared(loaded: Loaded, submit: Submit, job: GenerateJob, began: float) -> "Prepared":
    """What the engine is to be asked for a job."""
    if not 1 <= job.choices <= MAX_CHOICES:
        raise BadRequest(f"The number of choices must be from 1 to {MAX_CHOICES}.")
    if any(asked is not None and not 0 <= asked <= MAX_LIKELIEST for asked in _likeliest(job)):
        raise BadRequest(f"Log-probabilities name from 0 to {MAX_LIKELIEST} of the likeliest.")
    prompt = prompt_of(loaded, job, submit.resume)
    transcripts = [_transcript(loaded, job, prompt, choice) for choice in range(job.choices)]
    answer = Answer(job, prompt, transcripts, submit.resume, began)
    constraint = _constraint(loaded, job, prompt)
    return answer, answer.requests(
        length_of(loaded, job),
        constraint,
        loaded.adapters,
        breakers=_breakers(loaded, job),
        speculate=loaded.speculates,
    )


Prepared = tuple[Answer, list[Request]]


def prompt_of(loaded: Loaded, job: GenerateJob, resume: Resume | None = None) -> Prompt:
    """A job's prompt; of one that goes on, the tokens that it had."""
    if resume is not None and resume.prompt:
        return loaded.prompts.known(job, resume.prompt)
    match job:
        case ChatJob():
            return loaded.prompts.chat(job, length_of(loaded, job))
        case CompleteJob():
            return loaded.prompts.complete(job, length_of(loaded, job))


def length_of(loaded: Loaded, job: GenerateJob) -> int:
    """How many tokens a job may have in all."""
    return min(job.fit.context or loaded.length, loaded.length)


def _transcript(loaded: Loaded, job: GenerateJob, prompt: Prompt, choice: int) -> Transcript:
    vocabulary, stops = loaded.model.vocabulary, Stops(job.limits.stop)
    if not isinstance(job, ChatJob) or prompt.markup is None:
        stream = TextStream(vocabulary, hidden=loaded.prompts.hidden)
        return Transcript(choice, vocabulary, stream, stops, None)
    # Markup may be made of control tokens, so the parser gets to see them.
    tools = job.tools if job.tool_choice != "none" else ()
    parser = Parser(prompt.markup, tools=tools, begun=prompt.begun)
    return Transcript(choice, vocabulary, TextStream(vocabulary), stops, parser)


def _likeliest(job: GenerateJob) -> tuple[int | None, int | None]:
    return job.logprobs, job.prompt_logprobs


def _breakers(loaded: Loaded, job: GenerateJob) -> Breakers | None:
    return loaded.breakers.of(job.sampling.dry_breakers) if job.sampling.dry_multiplier else None


def _constraint(loaded: Loaded, job: GenerateJob, prompt: Prompt) -> Compiled | None:
    if isinstance(job, ChatJob) and (tools := _wanted_tools(job)):
        return loaded.grammars.compile(Constraint("lark", _calls(loaded, job, prompt, tools)))
    if job.constraint is None:
        return None
    around = _around(loaded, job, prompt) if isinstance(job, ChatJob) else ""
    return loaded.grammars.compile(job.constraint, around)


def _around(loaded: Loaded, job: ChatJob, prompt: Prompt) -> str:
    """The grammar around a constraint, which is for an answer: not for thinking, nor for calls."""
    markup = prompt.markup
    if markup is None:
        return ""
    may_call = job.tools and job.tool_choice == "auto" and markup.calls is not None
    if may_call and prompt.begun != "answer":
        return _calls(loaded, job, prompt, job.tools, otherwise=[answer_way(markup)])
    return answer_grammar(
        markup, prompt.begun, may_think=job.think is not False, token_of=_token_of(loaded)
    )


def _token_of(loaded: Loaded) -> TokenOf:
    return {special.text: special.token for special in loaded.model.vocabulary.specials}.get


def _wanted_tools(job: ChatJob) -> Sequence[Tool]:
    """The tools of which one must be called; none where the model may choose."""
    match job.tool_choice:
        case "auto" | "none":
            return ()
        case "required":
            tools = job.tools
        case ToolCall(name):
            tools = tuple(tool for tool in job.tools if tool.name == name)
    if not tools:
        raise BadRequest("tool_choice asks for a call of a tool that is not among the tools.")
    return tools


def _calls(
    loaded: Loaded,
    job: ChatJob,
    prompt: Prompt,
    tools: Sequence[Tool],
    *,
    otherwise: Sequence[Way] = (),
) -> str:
    if prompt.markup is None or prompt.markup.calls is None:
        raise MissingCapability("This model's template does not show how it calls tools.")
    return calls_grammar(
        prompt.markup,
        prompt.markup.calls,
        tools,
        parallel=job.parallel_tool_calls,
        begun=prompt.begun,
        may_think=job.think is not False,
        token_of=_token_of(loaded),
        otherwise=otherwise,
    )
