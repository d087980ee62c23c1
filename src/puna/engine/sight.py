"""How sequences come to see: each one's next image is encoded beside the steps, ahead of its turn.

A sequence that has come to an image takes no part in steps until that is encoded; all others go
on. Everything here is the engine's thread's, but for the encoding itself.
"""

from collections.abc import Callable

from puna.engine.context import Context, Outcome
from puna.engine.pictures import Picture
from puna.engine.sequence import Look, Sequence
from puna.engine.vision import Projector
from puna.errors import MissingCapability


class Sight:
    """The images of one engine's sequences; `wake` is called whenever one has been encoded."""

    def __init__(self, projector: Projector | None, wake: Callable[[], None]) -> None:
        self._projector = projector
        self._wake = wake

    def clear(self, sequence: Sequence) -> bool:
        """Whether the sequence has to wait for no image; the next one is encoded from now on."""
        picture, look = sequence.next_picture, sequence.look
        if picture is None or self._projector is None:
            return True
        if look is None or look.picture is not picture:
            sequence.look_away()
            look = sequence.look = Look(picture, self._projector.encode(picture))
            look.vectors.add_done_callback(lambda _: self._wake())
        return not sequence.blind

    def see(self, context: Context, sequence: Sequence, picture: Picture) -> Outcome:
        """The step of an image, which goes into the cache behind what the sequence has there."""
        if self._projector is None or sequence.look is None:
            raise MissingCapability("This model cannot see images.")
        vectors = sequence.look.vectors.result()
        slot, place, causal = sequence.slot, sequence.computed, self._projector.causal
        return context.step_picture(slot, place, picture, vectors, causal=causal)
