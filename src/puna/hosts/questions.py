"""Questions that only the engine can answer, each asked in a child process of its own.

A child is started like a runner: on a leash, with the environment that runners may see.
"""

import asyncio
import sys
from collections.abc import Mapping

import msgspec

from puna.engine.survey import Answer, Refusal, Simulation, Survey
from puna.errors import EngineFailed, ReportedError
from puna.protocol import Load
from puna.runners.process import RunnerProcess

# Not from the folder that the server was started in: what lies there is not Puna.
COMMAND = (sys.executable, "-P", "-m", "puna.engine.survey")
# A GPU's driver may take many seconds to wake up.
SECONDS = 60.0


async def survey(environment: Mapping[str, str]) -> Survey:
    """What the engine can compute on."""
    answer = await _ask(("devices",), environment)
    assert isinstance(answer, Survey)
    return answer


async def simulation(load: Load, environment: Mapping[str, str]) -> Simulation:
    """What a load would take beside its weights."""
    question = msgspec.json.encode(load).decode()
    answer = await _ask(("simulate", question), environment)
    assert isinstance(answer, Simulation)
    return answer


async def _ask(question: tuple[str, ...], environment: Mapping[str, str]) -> Survey | Simulation:
    process = await RunnerProcess.start((*COMMAND, *question), environment)
    try:
        async with asyncio.timeout(SECONDS):
            end = await process.ended()
    except TimeoutError:
        end = f"did not answer in {SECONDS:g} s"
    finally:
        await process.kill()
    log = str(process.log)
    try:
        answer = msgspec.json.decode(log.rpartition("\n")[2], type=Answer)
    except msgspec.DecodeError:
        raise EngineFailed(
            f"The engine was asked for its {question[0]} and {end}.", f"The end of its log: {log}"
        ) from None
    if isinstance(answer, Refusal):
        raise ReportedError(answer.error)
    return answer
