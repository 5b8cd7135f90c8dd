"""The libraries that are loaded, and their functions by name (shell: the thread that runs scripts).

What is stored decides: libraries are loaded when they are first asked for after a start, and looked
at again whenever changes were taken back. A change loads what is new before anything is stored, so
that a library which cannot be loaded changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final, Literal, Protocol

from kiwi_engine.errors import ReplyError
from kiwi_engine.scripting.functions.engine import FunctionEngine
from kiwi_engine.scripting.functions.library import Function, Library, read_heading

logger = logging.getLogger(__name__)

Policy = Literal["flush", "append", "replace"]
_NEVER: Final = -1


class LibraryStore(Protocol):
    """Where libraries are kept; `keyspace.function_store` is one."""

    @property
    def generation(self) -> int:
        """Grows whenever what is stored may be other than what was last read or written."""

    def codes(self) -> dict[bytes, bytes]:
        """The code of each library by its name."""

    def put(self, name: bytes, code: bytes) -> None: ...

    def delete(self, name: bytes) -> None: ...


class FunctionRegistry:
    """`make_engine` makes a new interpreter, when the first library is loaded and after a flush."""

    def __init__(self, store: LibraryStore, make_engine: Callable[[], FunctionEngine]) -> None:
        self._store = store
        self._make_engine = make_engine
        self._engine: FunctionEngine | None = None
        self._generation = _NEVER
        self._libraries: dict[bytes, Library] = {}
        # By name in lower case: FCALL does not mind.
        self._functions: dict[bytes, Function] = {}

    @property
    def engine(self) -> FunctionEngine:
        """The interpreter that runs the functions."""
        if self._engine is None:
            self._engine = self._make_engine()
        return self._engine

    def roomy_engine(self) -> FunctionEngine:
        """As `engine`, a new one if what functions have kept takes too much memory by now.

        They lose what they kept in variables then, as they would in a restart.
        """
        self._refresh()
        engine = self.engine
        if engine.is_crowded():
            self._drop_engine()
            self._libraries.clear()
            self._functions.clear()
            self._read_again()
            engine = self.engine
            engine.settle()
        return engine

    @property
    def used_bytes(self) -> int:
        """Memory of the interpreter; none while there is no library."""
        return 0 if self._engine is None else self._engine.used_bytes

    @property
    def libraries(self) -> dict[bytes, Library]:
        """The libraries by name."""
        self._refresh()
        return self._libraries

    @property
    def function_count(self) -> int:
        return sum(len(library.functions) for library in self.libraries.values())

    def counts_nowait(self) -> tuple[int, int]:
        """How many libraries and functions are loaded; this never loads one."""
        return len(self._libraries), sum(
            len(library.functions) for library in self._libraries.values()
        )

    def function(self, name: bytes) -> Function | None:
        """The function of this name, in any mixture of cases."""
        self._refresh()
        return self._functions.get(name.lower())

    def _drop_engine(self) -> None:
        if self._engine is not None:
            self._engine.sandbox.close()
            self._engine = None

    # ---- changes

    def load(self, code: bytes, *, replaces: bool) -> bytes:
        """Load and store a library; its name. `ReplyError` where that is not possible."""
        self._refresh()
        library = self._staged(code, self._libraries, replaces=replaces, is_bounded=True)
        try:
            self._check_names([library], {library.name})
        except ReplyError:
            self.engine.clear()
            raise
        self._exchange([library], {library.name} & self._libraries.keys())
        return library.name

    def delete(self, name: bytes) -> None:
        """Remove a library; `ReplyError` if there is none of this name."""
        if name not in self.libraries:
            raise ReplyError("ERR Library not found")
        self._exchange([], {name})

    def flush(self) -> None:
        """Remove all libraries, and what they held in memory."""
        self._exchange([], set(self.libraries))
        self._drop_engine()

    def restore(self, codes: Iterable[bytes], policy: Policy) -> None:
        """Load and store libraries: all of them or, with a `ReplyError`, none."""
        self._refresh()
        new: dict[bytes, Library] = {}
        try:
            for code in codes:
                library = self._staged(code, new, replaces=False, is_bounded=False)
                self._check_names_in([library], new.values())
                new[library.name] = library
            gone = self._leaving(new, policy)
            self._check_names(new.values(), gone)
        except ReplyError:
            self.engine.clear()
            raise
        self._exchange(new.values(), gone)

    def _leaving(self, new: dict[bytes, Library], policy: Policy) -> set[bytes]:
        """The libraries that go when `new` ones come."""
        if policy == "flush":
            return set(self._libraries)
        both = [name for name in new if name in self._libraries]
        if both and policy == "append":
            raise ReplyError(f"ERR Library {both[0].decode()} already exists")
        return set(both)

    def _staged(
        self, code: bytes, others: dict[bytes, Library], *, replaces: bool, is_bounded: bool
    ) -> Library:
        """A library that is loaded, and not yet there for anybody."""
        heading = read_heading(code)
        if heading.name in others and not replaces:
            raise ReplyError(f"ERR Library '{heading.name.decode()}' already exists")
        functions = self.engine.stage(heading.name, heading.body, is_bounded=is_bounded)
        if not functions:
            self.engine.clear()
            raise ReplyError("ERR No functions registered")
        return Library(heading.name, code, functions)

    def _check_names(self, new: Iterable[Library], gone: set[bytes]) -> None:
        """Refuse functions whose names are taken by libraries that stay."""
        staying = [library for name, library in self._libraries.items() if name not in gone]
        self._check_names_in(new, staying)

    def _check_names_in(self, new: Iterable[Library], others: Iterable[Library]) -> None:
        taken = {function.name.lower() for library in others for function in library.functions}
        for function in (function for library in new for function in library.functions):
            if function.name.lower() in taken:
                raise ReplyError(f"ERR Function {function.name.decode()} already exists")

    def _exchange(self, new: Iterable[Library], gone: set[bytes]) -> None:
        """Store and show what comes instead of what goes."""
        for name in sorted(gone):
            self._remove(name)
            self._store.delete(name)
        for library in new:
            self._add(library)
            self._store.put(library.name, library.code)

    def _remove(self, name: bytes) -> None:
        for function in self._libraries.pop(name).functions:
            self._functions.pop(function.name.lower(), None)
            self.engine.forget(function.name)

    def _add(self, library: Library) -> None:
        """Show a staged library."""
        self.engine.adopt(library.name)
        self._libraries[library.name] = library
        for function in library.functions:
            # Of two whose names differ in case only, the first one is called.
            self._functions.setdefault(function.name.lower(), function)

    # ---- what is stored

    def _refresh(self) -> None:
        if self._generation != self._store.generation:
            self._generation = self._store.generation
            self._read_again()

    def _read_again(self) -> None:
        """Become what is stored. A library that cannot be loaded stays stored, and is told of."""
        codes = self._store.codes()
        for name, library in list(self._libraries.items()):
            if codes.get(name) != library.code:
                self._remove(name)
        for name, code in codes.items():
            if name in self._libraries:
                continue
            try:
                self._add(self._staged(code, {}, replaces=False, is_bounded=False))
            except ReplyError as error:
                logger.error("library %r cannot be loaded: %s", name, error.text)
