"""Refusals: why somebody may not see the dashboard, and what to do."""

import attrs

HOW_TO_OPEN = (
    "To open it to others, give it a token (qml dashboard --token, or dashboard(jobs, token=...)) "
    "or a function that says who may see it (dashboard(jobs, authorize=...)). From another machine "
    "it can be reached by ssh -L 8787:localhost:8787."
)


@attrs.frozen
class Refusal:
    """The ``code`` to answer with, ``why``, and what to do. ``signs_in``: instead of that, the page
    to sign in at is shown; ``wrong``: after a token that was not right."""

    code: int
    why: str
    remedy: str = ""
    signs_in: bool = False
    wrong: bool = False

    @property
    def text(self) -> str:
        """It in words."""
        return f"Refused: {self.why}.\n" + (f"\n{self.remedy}\n" if self.remedy else "")


SIGN_IN = Refusal(401, "sign in", signs_in=True)
WRONG_TOKEN = Refusal(401, "this is not the token", signs_in=True, wrong=True)
