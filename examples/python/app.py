"""The app python keeps notes: over HTTP they are put, read and deleted; each that is put is announced on the topic
`notes`, of which the app remembers the last."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import logger, publisher, store
from wit_world.imports.logger import Attr, Level
from wit_world.imports.mrt_http_types import Header, Request, Response
from wit_world.imports.mrt_pubsub_types import Event, Outcome, Outcome_Retry, Outcome_Success
from wit_world.imports.mrt_state_types import Concurrency, Consistency, DeleteItem, SetItem

# What the paths of all requests start with: the route in manifest.yaml.
ROOT = "/python"

# The key of the last note that came from the topic. Keys of notes start with NOTE.
LAST = "last"
NOTE = "note/"


class Handler(exports.Handler):
    def handle(self, request: Request) -> Response:
        try:
            return route(request)
        except Err as error:  # an import that fails; its value is the WIT variant
            return answer(500, error.value.value)


class Subscriber(exports.Subscriber):
    def handle(self, event: Event) -> Outcome:
        info("note received", event.id)
        try:
            put(LAST, event.data)
        except Err as error:
            return Outcome_Retry(error.value.value)
        return Outcome_Success()


def route(request: Request) -> Response:
    if request.method == "GET" and request.path == f"{ROOT}/last":
        return read(LAST)
    prefix = f"{ROOT}/notes/"
    if not request.path.startswith(prefix):
        return answer(404, f"want {prefix}KEY or {ROOT}/last")
    key = request.path.removeprefix(prefix)
    if not key:
        return answer(400, f"want {prefix}KEY, found no key")
    match request.method:
        case "GET":
            return read(NOTE + key)
        case "PUT":
            put(NOTE + key, request.body)
            publisher.publish("", "notes", "text/plain", request.body, [])
            info("note kept", key)
            return response(204)
        case "DELETE":
            store.delete("", DeleteItem(NOTE + key, None, Concurrency.UNSPECIFIED, Consistency.UNSPECIFIED, []))
            info("note deleted", key)
            return response(204)
        case method:
            return answer(405, f"want GET, PUT or DELETE, found {method}")


def read(key: str) -> Response:
    entry = store.get("", key, Consistency.UNSPECIFIED, [])
    return answer(404, "no such note") if entry is None else response(200, entry.value)


def put(key: str, value: bytes) -> None:
    store.set("", SetItem(key, value, None, Concurrency.UNSPECIFIED, Consistency.UNSPECIFIED, None, []))


def info(message: str, note: str) -> None:
    logger.log(Level.INFO, message, [Attr("note", note)])


def answer(status: int, text: str) -> Response:
    return response(status, f"{text}\n".encode())


def response(status: int, body: bytes = b"") -> Response:
    return Response(status, [Header("content-type", "text/plain")], body)
