"""What every settings class is: frozen, closed, and refused with one readable line."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import BadInput


class Settings(BaseModel):
    """Frozen, closed, and refused with one readable line."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Build from untrusted values. Raises BadInput naming the option, the value and the bound."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            if not first["loc"]:
                raise BadInput(f"These options do not go together: {first['msg']}.") from None
            name = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                known = ", ".join(sorted(cls.model_fields))
                told = f"the options are: {known}" if known else "it has none"
                raise BadInput(f"There is no option {name!r} here; {told}.") from None
            raise BadInput(f"Option {name!r} was given as {first['input']!r}: {first['msg'].lower()}.") from None


def parse_assignments(assignments: list[str]) -> dict[str, str]:
    """Read the command line's `NAME=VALUE` pairs. Raises BadInput on one without `=`."""
    pairs = {}
    for text in assignments:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise BadInput(f"{text!r} is not NAME=VALUE.")
        pairs[name.strip()] = value.strip()
    return pairs
