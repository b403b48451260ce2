"""The rates of a run as a chart: bars of each contestant, store by store, as SVG."""

from collections.abc import Iterator, Mapping
from html import escape

from .rates import Rates
from .stores import Store
from .table import rate

WIDTH, BAR, GAP, LEFT, RIGHT = 760, 18, 5, 120, 90
FONT = "font-family='system-ui, sans-serif' font-size='13'"
MINE, OTHERS, BARE = "#2f6f4f", "#9aa5ad", "#d9dee2"
"""The colours: qml's, the peers', and the bare driver's, which is the limit."""


def svg(row: str, title: str, stores: Mapping[str, Store], found: Mapping[str, Rates]) -> str:
    """One row of ``rates.ROWS`` on all stores, each on a scale of its own. It is drawn on white, so
    that it can be read on dark pages, too."""
    top, parts = 34, [f"<text x='12' y='22' font-weight='bold'>{escape(title)}</text>"]
    for key, store in stores.items():
        parts.append(f"<text x='12' y='{top + 14}' fill='#555'>{escape(store.name)}</text>")
        top += BAR + GAP
        for line in _bars(found[key][row], top):
            parts.append(line)
        top += (BAR + GAP) * len(found[key][row]) + 2 * GAP
    body = "\n".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {top}' role='img' {FONT}>\n"
        f"<title>{escape(title)}</title>\n<rect width='100%' height='100%' fill='white'/>\n"
        f"{body}\n</svg>\n"
    )


def _bars(rates: Mapping[str, float], top: int) -> Iterator[str]:
    peers = [name for name in rates if name != "bare"]
    longest = max(rates[name] for name in peers)  # the bare driver's bar may end at the edge
    for name in sorted(peers, key=lambda name: -rates[name]) + ["bare"] * ("bare" in rates):
        colour = {"qml": MINE, "bare": BARE}.get(name, OTHERS)
        wide = max(1.0, min(1.0, rates[name] / longest) * (WIDTH - LEFT - RIGHT))
        more = " &#8594;" if rates[name] > longest else ""
        yield f"<text x='{LEFT - 8}' y='{top + 14}' text-anchor='end'>{escape(name)}</text>"
        yield f"<rect x='{LEFT}' y='{top}' width='{wide:.1f}' height='{BAR}' fill='{colour}'/>"
        text = f"{rate(rates[name])}{more}"
        yield f"<text x='{LEFT + wide + 6:.1f}' y='{top + 14}'>{text}</text>"
        top += BAR + GAP
