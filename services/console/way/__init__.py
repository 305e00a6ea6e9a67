"""The way of one event and its change: what was kept and what services tell, as one page shows it.

`ask` asks the services, `timeline` puts what they tell in order, `differences` and `Body` read what
the event says. Only `ask` talks to anybody.
"""

from services.console.way.asking import Told, ask
from services.console.way.body import Body
from services.console.way.differences import Difference, differences
from services.console.way.timeline import Heard, Line, Step, gap, timeline, under_way

__all__ = [
    "Body",
    "Difference",
    "Heard",
    "Line",
    "Step",
    "Told",
    "ask",
    "differences",
    "gap",
    "timeline",
    "under_way",
]
