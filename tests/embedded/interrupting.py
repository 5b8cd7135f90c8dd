"""Ctrl-C at the n-th moment at which CPython looks for signals, instead of at a random one.

CPython 3.11 to 3.13 runs a signal's handler at the beginning of a Python function, after a call
into C, and when a loop jumps back; not between the acquisition of a lock by `with` and the first
line of its block, nor between the end of the block and the release. The trace function below sees
each step of the bytecode and counts those moments, so a test can raise `KeyboardInterrupt` at each
of them, one after the other. What blocks (a lock, a sleep) may also be interrupted while it waits.
"""

from __future__ import annotations

import dis
import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

_AFTER: Final = {
    number
    for name, number in dis.opmap.items()
    if name.startswith(("CALL", "JUMP_BACKWARD", "POP_JUMP_BACKWARD"))
}
_BEFORE: Final = {
    number for name, number in dis.opmap.items() if name in ("BEFORE_WITH", "LOAD_SPECIAL")
}
_NAMED: Final = {
    number
    for name, number in dis.opmap.items()
    if name in ("LOAD_METHOD", "LOAD_ATTR", "LOAD_GLOBAL")
}
_RESUME: Final = dis.opmap["RESUME"]
_BLOCKING: Final = {"acquire", "wait", "sleep", "join"}


class Interrupter:
    """`run` interrupts a call at its `number`-th moment, counted from 1.

    `is_over` says whether the call ended before that. `where` tells the place.
    """

    def __init__(self, number: int) -> None:
        self._number = self._left = number
        self._returned = False
        self.is_over = True
        self.where = ""

    def __str__(self) -> str:
        return f"moment {self._number}, {self.where or 'not reached'}"

    def run(self, call: Callable[[], object]) -> None:
        """May raise `KeyboardInterrupt`, and whatever the call raises."""
        # What others have left behind would be finalized, and traced, in the middle of the call.
        gc.disable()
        # That of a measurement of coverage, for example.
        former = sys.gettrace()
        sys.settrace(self._on_call)
        try:
            call()
        finally:
            sys.settrace(former)
            gc.enable()

    def _on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_globals.get("__name__", "")
        if name == __name__ or name.startswith(("tests.", "importlib")):
            return None
        if name == "_weakrefset" and frame.f_code.co_name == "_remove":
            # Python swallows what is raised in the callback of a weak reference.
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        # Not where a generator is closed.
        if frame.f_code.co_code[frame.f_lasti] == _RESUME:
            self._moment(frame)
        return _Frame(self, frame).on_event

    def _moment(self, frame: FrameType) -> None:
        self._left -= 1
        if not self._left:
            self.is_over = False
            self.where = f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
            raise KeyboardInterrupt


class _Frame:
    """Follows one call of one function."""

    __slots__ = ("_code", "_interrupter", "_is_moment", "_names")

    def __init__(self, interrupter: Interrupter, frame: FrameType) -> None:
        self._interrupter = interrupter
        self._code = frame.f_code.co_code
        self._is_moment = False
        self._names = _blocking_calls(frame.f_code)

    def on_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        interrupter = self._interrupter
        if event == "opcode":
            # After the return of a Python function nobody looks: its beginning was a moment.
            was_moment = self._is_moment and not interrupter._returned
            interrupter._returned = False
            at = frame.f_lasti
            operation = self._code[at]
            self._is_moment = operation in _AFTER or at in self._names
            if was_moment or operation in _BEFORE:
                interrupter._moment(frame)
        elif event == "return":
            interrupter._returned = True
        return self.on_event


_found: dict[Any, frozenset[int]] = {}


def _blocking_calls(code: Any) -> frozenset[int]:
    """Where the functions are looked up that may wait."""
    offsets = _found.get(code)
    if offsets is None:
        offsets = _found[code] = frozenset(
            step.offset
            for step in dis.get_instructions(code)
            if step.opcode in _NAMED and step.argval in _BLOCKING
        )
    return offsets
