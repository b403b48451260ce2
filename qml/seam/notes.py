"""Notes of a run <-> text: empty while there are none."""

from ..values import jsontext
from ..values.notes import NO_NOTES, LogLine, Notes, Progress
from ..values.times import from_micros, to_micros


def encode(notes: Notes) -> str:
    """Notes as text."""
    if not (notes.progress or notes.log or notes.steps):
        return ""
    progress = notes.progress
    told = progress and [to_micros(progress.at), progress.fraction, progress.message]
    log = [[to_micros(line.at), line.attempt, line.text] for line in notes.log]
    return jsontext.dumps([told, log, notes.steps])


def decode(text: str) -> Notes:
    """The notes that ``encode`` wrote; raises what reading a damaged record may."""
    if not text:
        return NO_NOTES
    told, log, steps = jsontext.loads(text)
    progress = told and Progress(from_micros(told[0]), told[1], told[2])
    lines = tuple(LogLine(from_micros(at), attempt, line) for at, attempt, line in log)
    return Notes(progress or None, lines, steps)
