"""A chat template may compute for so long; how long it had to wait for the machine does not count."""

import time

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from core.scoring.bounds import TooSlow, bounded

LINES = "{% for i in range(3) %}{{ wait() }}\n{% endfor %}"
LOOP = "{% for i in range(100000) %}{% for j in range(100000) %}{{ '' }}\n{% endfor %}{% endfor %}"


def test_time_that_the_machine_was_away_does_not_count() -> None:
    def wait() -> str:
        time.sleep(0.2)
        return "x"

    with bounded(seconds=0.3):
        assert ImmutableSandboxedEnvironment().from_string(LINES).render(wait=wait) == "x\nx\nx\n"


def test_a_template_that_goes_on_computing_is_ended() -> None:
    template = ImmutableSandboxedEnvironment().from_string(LOOP)
    with pytest.raises(TooSlow, match=r"within 0\.3 s of computing"), bounded(seconds=0.3):
        template.render()
