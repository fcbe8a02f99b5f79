"""What the attacks share: the hostile workspace, the folders with traps, and one server over both."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.attacks.client import Session, request
from tests.attacks.places import lay_traps
from tests.attacks.world import World, build_world
from tests.e2e.driving import Server, serving


@dataclass(frozen=True)
class Target:
    """The server under attack, and where things lie around it."""

    server: Server
    world: World
    root: Path
    outside: Path

    @property
    def address(self) -> str:
        """Where it answers."""
        return self.server.address

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session that ends with the block, after which the server must still be well."""
        with Session(self.address) as session:
            yield session
        assert self.server.process.poll() is None, "the server died"
        assert request(self.address, "GET", "/_stcore/health").status == 200


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Target]:
    """One server for all attacks, which may read one folder."""
    folder = tmp_path_factory.mktemp("attacks")
    root, outside = lay_traps(folder)
    world = build_world(folder / "world", tiny_model)
    with serving(world.workspace, folder / "server.log", GLEANER_ROOTS=str(root)) as server:
        yield Target(server, world, root, outside)
