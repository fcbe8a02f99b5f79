"""A settings class becomes a form: label, help, bounds and default come from its declaration."""

import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
import streamlit as st
from pydantic.fields import FieldInfo

from core.settings import Settings

S = TypeVar("S", bound=Settings)


def settings_form(
    settings: type[S], key: str, only: tuple[str, ...] | None = None, start: S | None = None, columns: int = 1
) -> S:
    """Draw a widget for every option, or for `only` these, in so many columns; return the settings they make.

    The widgets begin with the values of `start`, or with the defaults. Raises BadInput for a value
    that the declaration refuses.
    """
    begin = start or settings()
    names = [name for name in settings.model_fields if only is None or name in only]
    values = {}
    for left in range(0, len(names), columns):
        cells = st.columns(columns, vertical_alignment="bottom") if columns > 1 else [st.container()]
        for cell, name in zip(cells, names[left : left + columns], strict=False):
            with cell:
                values[name] = _widget(name, settings.model_fields[name], getattr(begin, name), f"{key}.{name}")
    return settings.checked(**values)


def _widget(name: str, field: FieldInfo, value: Any, key: str) -> Any:
    label = field.title or name.replace("_", " ").capitalize()
    kind = _plain_type(field.annotation)
    if get_origin(kind) is Literal:
        options = list(get_args(kind))
        return st.selectbox(label, options, index=options.index(value), help=field.description, key=key)
    if kind is bool:
        return st.checkbox(label, value=value, help=field.description, key=key)
    if kind is str:
        return st.text_input(label, value=value or "", help=field.description, key=key) or field.default
    low, high = _bounds(field)
    number: Any = float if kind is float else int
    given = st.number_input(
        label,
        min_value=None if low is None else number(low),
        max_value=None if high is None else number(high),
        value=None if value is None else number(value),
        format=None if number is int else "%g",
        step=1 if number is int else None,
        placeholder="not given",
        help=field.description,
        key=key,
    )
    return None if given is None else number(given)


def _plain_type(annotation: Any) -> Any:
    """`X | None` is asked for as X."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    low = high = None
    for rule in field.metadata:
        if isinstance(rule, annotated_types.Ge | annotated_types.Gt):
            low = getattr(rule, "ge", getattr(rule, "gt", None))
        if isinstance(rule, annotated_types.Le | annotated_types.Lt):
            high = getattr(rule, "le", getattr(rule, "lt", None))
    return low, high
