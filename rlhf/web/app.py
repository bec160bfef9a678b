"""The application that langgraph.json names: the server's own routes come to it, the middleware stays in front."""

from starlette.applications import Starlette
from starlette.middleware import Middleware

from rlhf.metrics import RefreshOnScrape
from rlhf.nodes.services import operator
from rlhf.state.settings import ServerSettings
from rlhf.web.guard import Guard
from rlhf.web.threads import StateUpdates


def _server_settings() -> ServerSettings:
    return operator.settings.server


app = Starlette(
    middleware=[Middleware(Guard, _server_settings), Middleware(StateUpdates), Middleware(RefreshOnScrape)]
)
