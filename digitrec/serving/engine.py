"""The process that parses, decodes and recognises: ``python -m digitrec.serving.engine``.

Everything a client sends is parsed here and nowhere else. A body that takes too long or brings
the process down costs that one request: the serving process ends the engine and starts another.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from digitrec._image_limits import image_limits
from digitrec.errors import ConfigurationError, DigitrecError, ImageError, ImageTooLargeError
from digitrec.inference import DigitPrediction, Recognizer
from digitrec.inference.image_io import LoadedImage
from digitrec.inference.locate import load_look
from digitrec.serving import open_inference
from digitrec.serving.bodies import Images, check_image, parse_body
from digitrec.serving.messages import (
    ROW_PIXELS,
    Answer,
    Ready,
    RequestError,
    Start,
    Task,
    error_answer,
    pack,
    read_message,
)
from digitrec.serving.settings import Settings

_NOTHING: Mapping[str, Any] = MappingProxyType({})

_log = logging.getLogger("digitrec.serving")


class Engine:
    """Recognisers and the limits they work under.

    Parameters
    ----------
    start : Start
        Models and settings. The first model is loaded at once, the others when first asked for.
    """

    def __init__(self, start: Start) -> None:
        self.settings: Settings = start.settings
        self._sources = start.sources
        self._recognizers: dict[str, Recognizer] = {}
        first = self.recognizer(next(iter(start.sources)))
        # The first call of NumPy's and SciPy's routines is slow; no client should wait for it.
        first.predict_rows(np.zeros((2, ROW_PIXELS), dtype=np.uint8))
        canvas = np.full((64, 64), 255, dtype=np.uint8)
        canvas[12:52, 29:35] = 0
        encoded = BytesIO()
        Image.fromarray(canvas).save(encoded, "PNG")
        check_image(encoded.getvalue(), self.settings)
        first.predict_digit(encoded.getvalue())

    def recognizer(self, model: str) -> Recognizer:
        """Return the recogniser of a model, loaded on first use."""
        if model not in self._recognizers:
            source = self._sources[model]
            if source is None or isinstance(source, (str, os.PathLike)):
                source = Recognizer(source, threshold=self.settings.threshold)
            self._recognizers[model] = source
        return self._recognizers[model]

    def answer(self, task: Task | list[Task]) -> Answer | list[Answer]:
        """Return the answer to a task; a list of answers for a list and for kind "row"."""
        with image_limits(self.settings.image_limits):
            return self._answer(task)

    def _answer(self, task: Task | list[Task]) -> Answer | list[Answer]:
        try:
            if isinstance(task, list):
                return self._small_images(task)
            recognizer = self.recognizer(task.model)
            if task.kind == "row":
                return self._rows(recognizer, task)
            if task.kind == "read":
                return self._read(recognizer, task)
            if task.kind == "infer":
                return open_inference.infer(recognizer, task, self.settings)
            return self._predict(recognizer, task)
        except Exception as error:
            return _refusal(error)

    def _small_images(self, tasks: list[Task]) -> list[Answer]:
        """Answer requests for single images; the classifier sees all of them at once."""
        started = time.perf_counter()
        recognizer = self.recognizer(tasks[0].model)
        answers: dict[int, Answer] = {}
        files: dict[int, bytes] = {}
        for i, task in enumerate(tasks):
            try:
                request = parse_body(task.content_type, task.body, self.settings)
                if isinstance(request, Images) and request.single and not task.known:
                    files[i] = request.files[0]
                else:
                    answers[i] = self._predict(recognizer, task)
            except Exception as error:
                answers[i] = _refusal(error)
        for i, outcome in zip(files, self._digits(recognizer, list(files.values())), strict=True):
            if isinstance(outcome, Exception):
                answers[i] = _refusal(outcome)
                continue
            fields = outcome.to_dict(normalised=tasks[i].normalised)
            answers[i] = _json_answer(
                {"model": tasks[i].model, **fields}, started, (outcome.digit,)
            )
        return [answers[i] for i in range(len(tasks))]

    def _digits(
        self, recognizer: Recognizer, files: list[bytes], known: Mapping[str, Any] = _NOTHING
    ) -> Iterator[DigitPrediction | Exception]:
        """Yield for each file the digit it shows, or why it could not be read."""
        step = self.settings.max_image_batch
        for start in range(0, len(files), step):
            outcomes: list[LoadedImage | Exception] = []
            for data in files[start : start + step]:
                try:
                    check_image(data, self.settings)
                    outcomes.append(load_look(data))
                except Exception as error:
                    outcomes.append(error)
            loaded = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
            try:
                predictions = iter(recognizer.predict_digits(loaded, **known) if loaded else ())
            except Exception as error:
                if len(outcomes) == 1:
                    yield error
                    continue
                # One image makes the batch fail: try each alone.
                for data in files[start : start + step]:
                    yield from self._digits(recognizer, [data], known)
                continue
            for outcome in outcomes:
                yield outcome if isinstance(outcome, Exception) else next(predictions)

    def _rows(self, recognizer: Recognizer, task: Task) -> list[Answer]:
        started = time.perf_counter()
        rows = np.frombuffer(task.body, dtype=np.uint8).reshape(-1, ROW_PIXELS)
        predictions = recognizer.predict_rows(rows)
        return [
            _json_answer(
                {"model": task.model, **prediction.to_dict()},
                started,
                (prediction.digit,),
            )
            for prediction in predictions
        ]

    def _predict(self, recognizer: Recognizer, task: Task) -> Answer:
        started = time.perf_counter()
        request = parse_body(task.content_type, task.body, self.settings)
        entries: list[dict[str, Any]] = []
        digits: list[int | None] = []
        if isinstance(request, Images):
            for outcome in self._digits(recognizer, request.files, task.known):
                if isinstance(outcome, DigitPrediction):
                    entries.append(outcome.to_dict(normalised=task.normalised))
                    digits.append(outcome.digit)
                elif request.single:
                    raise outcome
                else:
                    entries.append(_problem(outcome))
        elif task.known:
            names = ", ".join(task.known)
            raise RequestError(
                422, "wrong_parameter", f"{names} is for image files; these are framed rows"
            )
        else:
            predictions = recognizer.predict_rows(request.values)
            entries = [prediction.to_dict(normalised=task.normalised) for prediction in predictions]
            digits = [prediction.digit for prediction in predictions]
        fields = entries[0] if request.single else {"predictions": entries}
        return _json_answer({"model": task.model, **fields}, started, digits)

    def _read(self, recognizer: Recognizer, task: Task) -> Answer:
        started = time.perf_counter()
        request = parse_body(task.content_type, task.body, self.settings)
        if not isinstance(request, Images):
            raise RequestError(
                415, "unsupported_type", "/read takes image files; send rows of pixels to /predict"
            )
        readings: list[dict[str, Any]] = []
        digits: list[int | None] = []
        for data in request.files:
            try:
                check_image(data, self.settings)
                reading = recognizer.read(data, **task.known)
            except ConfigurationError as error:
                raise RequestError(422, "wrong_parameter", str(error)) from error
            except (RequestError, ImageError) as error:
                if request.single:
                    raise
                readings.append(_problem(error))
                continue
            readings.append(reading.to_dict(normalised=task.normalised))
            digits.extend(prediction.digit for prediction in reading.digits)
        fields = readings[0] if request.single else {"readings": readings}
        return _json_answer({"model": task.model, **fields}, started, digits)


def _refusal(error: Exception) -> Answer:
    """Return what a client may know about an error."""
    if (known := _client_error(error)) is not None:
        return error_answer(known.status, known.code, known.message)
    if isinstance(error, DigitrecError):
        _log.error("%s", error)
        return error_answer(500, "model_unusable", "the model cannot be used; see the log")
    _log.error("unexpected error", exc_info=error)
    return error_answer(500, "internal_error", "internal error; see the server's log")


def _client_error(error: Exception) -> RequestError | None:
    """Return an error that the request caused, with its status; None for any other."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, ImageTooLargeError):
        return RequestError(413, "image_too_large", str(error))
    if isinstance(error, ImageError):
        return RequestError(422, "unreadable_image", str(error))
    if isinstance(error, MemoryError):
        return RequestError(413, "image_too_large", "the request needs too much memory")
    return None


def _problem(error: Exception) -> dict[str, Any]:
    """Return what stands in the place of an answer to one image of several.

    Raises
    ------
    Exception
        `error` itself, where the image is not to blame.
    """
    known = _client_error(error)
    if known is None:
        raise error
    return {"error": known.message, "code": known.code}


def _json_answer(
    fields: dict[str, Any], started: float, digits: Sequence[int | None] = ()
) -> Answer:
    fields["milliseconds"] = round((time.perf_counter() - started) * 1000, 3)
    body = json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()
    return Answer(body, digits=tuple(digits))


def _send(stream: BinaryIO, message: Any) -> None:
    stream.write(pack(message))
    stream.flush()


def main() -> int:
    """Serve tasks from standard input until it ends."""
    # The terminal's Ctrl-C and systemd's SIGTERM reach every process of the group, but this one
    # must finish what is in flight: it leaves when the serving process closes the pipe.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # Output of libraries must not mix with the frames.
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)

    start = read_message(requests)
    if not isinstance(start, Start):
        return 1
    with contextlib.suppress(BrokenPipeError):
        try:
            engine = Engine(start)
        except Exception as error:
            known = isinstance(error, DigitrecError)
            if not known:
                _log.exception("the engine cannot start")
            _send(answers, Ready(error=str(error) or type(error).__name__))
            return 1
        _send(answers, Ready())
        while (task := read_message(requests)) is not None:
            _send(answers, engine.answer(task))
    return 0


if __name__ == "__main__":
    sys.exit(main())
