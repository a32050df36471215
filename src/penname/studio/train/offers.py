"""The recipes that a run can be begun with, in words for whoever chooses one."""

from __future__ import annotations

import os
from dataclasses import dataclass

from penname.engines.models import pick_device
from penname.errors import UserError

OWN = "own"
"""The recipe for documents in the studio: the quickstart's settings, fitted to these documents."""


@dataclass(frozen=True)
class Offer:
    """A recipe that can be chosen.

    name: its name, for `penname train`.
    title: what it is called on the page.
    purpose: what it is for.
    takes: how long it takes, and on what.
    on_own: whether it can be trained on documents in the studio.
    on_its_own: whether it has data of its own.
    needs_data: whether that data is in the folder that PENNAME_DATA names.
    needs_gpu: whether it needs a GPU.
    needs: what else has to be there.
    """

    name: str
    title: str
    purpose: str
    takes: str
    on_own: bool = False
    on_its_own: bool = True
    needs_data: bool = False
    needs_gpu: bool = False
    needs: str = ""

    @property
    def recipe(self) -> str:
        """The recipe that comes with penname whose settings it has."""
        return "quickstart" if self.name == OWN else self.name

    def warnings(self, *, on_own: bool = False) -> list[str]:
        """What is missing here, each in a line. on_own: whether it is to be trained on documents in the studio."""
        found = []
        if self.needs_data and not on_own and not os.environ.get("PENNAME_DATA"):
            found.append("its own data is in a folder that PENNAME_DATA names, which is not set")
        if self.needs_gpu and pick_device() == "cpu":
            found.append("it needs a GPU, and this machine has none")
        return found + ([self.needs] if self.needs else [])


OFFERS = (
    Offer(
        OWN,
        "Your own texts",
        "a first model that writes as the people whose documents are in this studio",
        "ten to fifteen minutes on two idle cores",
        on_own=True,
        on_its_own=False,
    ),
    Offer(
        "quickstart",
        "Quickstart",
        "shows what training does, on speeches that come with penname",
        "five minutes on two idle cores",
    ),
    Offer(
        "laptop",
        "Laptop",
        "all five methods side by side, with and without a reasoning before the text",
        "up to 90 minutes on two idle cores",
        on_own=True,
        needs_data=True,
    ),
    Offer(
        "four-tasks",
        "Four tasks",
        "the five methods with one model for mails, abstracts, reviews and posts",
        "some hours on two idle cores",
        on_own=True,
        needs_data=True,
    ),
    Offer(
        "control",
        "Control",
        "the five methods where the right answers are known, to test a method",
        "twenty minutes on two idle cores",
        needs="it needs a folder `control` beside this studio, which the command `penname data control` makes",
    ),
    Offer(
        "pat-laptop",
        "PaT on a laptop",
        "for users with little or no history, who are written as from what others wrote on the same items",
        "some hours on two idle cores",
        needs_data=True,
    ),
    Offer(
        "paper",
        "REST-PG as in its paper",
        "every setting of the paper, with Gemma 2B",
        "days on a large GPU",
        on_own=True,
        needs_data=True,
        needs_gpu=True,
    ),
    Offer(
        "paper-cluster",
        "REST-PG on a cluster",
        "the same on eight GPUs and a Ray cluster",
        "hours on eight GPUs",
        on_own=True,
        needs_data=True,
        needs_gpu=True,
    ),
    Offer(
        "pat",
        "PaT at the size of its paper",
        "PaT and what it is compared with, with Llama 3.1 8B",
        "days on a large GPU",
        needs_data=True,
        needs_gpu=True,
    ),
)


def offer_of(name: str) -> Offer:
    """The offer of this name. Raises UserError where there is none."""
    for offer in OFFERS:
        if offer.name == name:
            return offer
    raise UserError(f"recipe: found none of this name, expected one of {', '.join(o.name for o in OFFERS)}")
