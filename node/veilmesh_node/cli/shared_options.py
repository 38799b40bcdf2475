"""Options that several commands take together, declared once as the fields of a dataclass.

@dataclass(frozen=True, slots=True)
class Asked:
    home: Annotated[Path | None, typer.Option("--home")] = None

@app.command()
@with_options(Asked)
def verify(asked: Asked, as_json: JsonOption = False) -> None: ...
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from functools import wraps
from typing import Any


def with_options(shared: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Have a command take the fields of `shared`; its first argument holds them.

    typer reads a command's signature, so that is where they go: behind the command's own arguments, before
    its own options.
    """

    def extended(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command).parameters.values()
        options = [
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_default(each),
                annotation=each.type,
            )
            for each in fields(shared)
        ]

        @wraps(command)
        def taken(**values: Any) -> None:
            command(shared(**{each.name: values.pop(each.name) for each in options}), **values)

        parameters = [each.replace(kind=each.KEYWORD_ONLY) for each in own]
        taken.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what `inspect` looks for
            [
                *(each for each in parameters if each.default is each.empty),
                *options,
                *(each for each in parameters if each.default is not each.empty),
            ]
        )
        return taken

    return extended


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default
