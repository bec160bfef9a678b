"""Faults of the configuration that are found before the first call: key, address, proxy, package."""

import importlib.util
import urllib.request
from typing import Final

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.endpoints.foreign import check_installed
from rlhf.state.endpoints import Endpoint, on_this_machine
from rlhf.state.errors import SettingsError

_PROXIES: Final = frozenset({"http", "https", "socks4", "socks5", "socks5h"})


def check_ready_to_ask(endpoint: Endpoint, where: str) -> None:
    """Raise SettingsError for whatever would make every call fail; `where` is the recipe's section."""
    endpoint.check(where)
    endpoint.key()
    check_installed(endpoint)
    if fault := _fault_of_proxy(endpoint):
        raise SettingsError(fault)


async def checked_ready_to_ask(endpoint: Endpoint, where: str) -> None:
    """`check_ready_to_ask` on an event loop: looking for a package reads folders."""
    if endpoint.facts.way == "langchain":
        await in_thread(check_ready_to_ask, endpoint, where)
    else:
        check_ready_to_ask(endpoint, where)


def _fault_of_proxy(endpoint: Endpoint) -> str:
    """Why the proxy that the environment names cannot be used for this endpoint; empty if it can or there is none."""
    if on_this_machine(endpoint.base_url or "") or endpoint.facts.way == "own":
        return ""
    # httpx loads them all as soon as it is opened, whatever NO_PROXY says.
    proxies = urllib.request.getproxies()
    for kind in ("http", "https", "all"):
        if (proxy := proxies.get(kind)) is None:
            continue
        scheme = proxy.partition("://")[0].lower() if "://" in proxy else "http"
        name = f"{kind.upper()}_PROXY"
        if scheme not in _PROXIES:
            return (
                f"{name} names a proxy of a kind that is not known ({scheme}://): use http:// or socks5://."
            )
        if scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
            return (
                f"{name} names a SOCKS proxy, which needs a package that is not installed: "
                f"pip install 'httpx[socks]', or unset {name}."
            )
    return ""
