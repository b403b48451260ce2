"""Spans, sizes and numbers as people read them."""

_SPANS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def span(seconds: float) -> str:
    """A span in its largest whole unit: ``42 s``, ``3 min``, ``5 h``, ``12 d``."""
    for size, unit in _SPANS:
        if seconds >= size:
            return f"{int(seconds // size):,} {unit}"
    return f"{max(0, int(seconds))} s"


def milliseconds(count: float) -> str:
    """A duration: ``0.4 ms``, ``12 ms``, ``3.2 s``, ``3 min``."""
    if count < 9.95:
        return f"{count:.1f} ms"
    if count < 999.5:
        return f"{count:.0f} ms"
    return f"{count / 1_000:.1f} s" if count < 59_950 else span(round(count / 1_000))


def size(count: float) -> str:
    """Bytes: ``512 B``, ``1.4 kB``, ``3.0 GB``, in powers of 1,000."""
    if count < 1_000:
        return f"{count:.0f} B"
    units = ["kB", "MB", "GB", "TB"]
    count /= 1_000
    while count >= 999.95 and len(units) > 1:
        count /= 1_000
        del units[0]
    return f"{count:,.1f} {units[0]}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun: ``1 file``, ``1,200 files``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
