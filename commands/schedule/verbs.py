"""All verbs of the noun, in the order in which help shows them."""

from commands.grammar.verb import Verb
from commands.schedule.calendar import CALENDAR
from commands.schedule.create import CREATE
from commands.schedule.delete import DELETE
from commands.schedule.describe import DESCRIBE
from commands.schedule.edit import EDIT
from commands.schedule.get import GET
from commands.schedule.pause import PAUSE
from commands.schedule.resume import RESUME
from commands.schedule.run import RUN
from commands.schedule.skip import SKIP, UNSKIP

SCHEDULE_VERBS: tuple[Verb, ...] = (
    CREATE,
    EDIT,
    PAUSE,
    RESUME,
    SKIP,
    UNSKIP,
    RUN,
    GET,
    DESCRIBE,
    CALENDAR,
    DELETE,
)
