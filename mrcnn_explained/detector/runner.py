"""Runner: calls the stages of one run, keeps results that are known, and runs functions in place.

Both maps, `infer` and `training_step`, hand every stage to a runner under its name in the
trace. That is all a what-if needs: known results are not computed again, settings can differ
from the config's, and a stage may be the caller's own function.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mrcnn_explained.detector.schema import Omitted, StageError, check_result


class Runner:
    """`run(name, stage, *inputs, **settings)` → the stage's result.

    known       results by name; these are returned without computing
    replaced    functions to call in place of stages, by name
    settings    arguments that override those of a stage, by name
    """

    def __init__(
        self,
        known: Mapping[str, Any] | None = None,
        replaced: Mapping[str, Callable[..., Any]] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        self.known, self.replaced, self.settings = known or {}, replaced or {}, settings or {}

    def __call__(
        self, name: str, stage: Callable[..., Any], /, *inputs: Any, **settings: Any
    ) -> Any:
        """Return the known result, or call the stage or the function in its place.

        Raises StageError for a function in place of a stage that cannot be called like it or
        returns something else, TraceFileError for an input that was left out of a trace's file.
        """
        if name in self.known:
            return self.known[name]
        settings |= self.settings.get(name, {})
        _check_inputs(inputs)
        if name not in self.replaced:
            return stage(*inputs, **settings)
        own = self.replaced[name]
        _check_call(name, own, inputs, settings)
        result = own(*inputs, **settings)
        check_result(name, stage, inputs, result)
        return result

    def fixed(self, name: str, stage: Callable[..., Any], /, *inputs: Any) -> Any:
        """Return the known result, or the stage's own: no other function can take its place."""
        return self.known[name] if name in self.known else stage(*inputs)


def _check_inputs(value: Any) -> None:
    """Refuse tensors that a trace's file left out, before a layer fails on them."""
    if isinstance(value, Omitted):
        value.__array__()
    elif isinstance(value, tuple | list):
        for part in value:
            _check_inputs(part)


def _check_call(
    name: str, own: Callable[..., Any], inputs: Sequence[Any], settings: Mapping[str, Any]
) -> None:
    """Refuse a function that does not take the arguments of the stage."""
    try:
        inspect.signature(own).bind(*inputs, **settings)
    except ValueError:
        raise StageError(
            f"the function in place of {name}, {own!r}, does not list its arguments: write a "
            "function of your own around it"
        ) from None
    except TypeError as error:
        arguments = ["…"] * len(inputs) + [f"{key}={value!r}" for key, value in settings.items()]
        raise StageError(
            f"the function in place of {name} cannot be called as {name}({', '.join(arguments)}): "
            f"{error}. Give it the arguments of the stage, or **settings for those that it does "
            "not need"
        ) from None
