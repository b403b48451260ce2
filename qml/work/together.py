"""What an app's jobs and processes share with each other."""

from ..storage.storage import Storage


class Together:
    """The part of an app by which jobs and processes work together."""

    @property
    def storage(self) -> Storage:
        """Where it stands."""
        raise NotImplementedError
