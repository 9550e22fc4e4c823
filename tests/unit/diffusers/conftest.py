"""Tiny models of random weights, loaded in the test's own process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from backends.diffusers.loading import load_pipeline
from backends.diffusers.options import Options
from backends.diffusers.orders import OrderDesk
from backends.diffusers.painting import Painter
from backends.diffusers.pipelines import Pipelines
from backends.diffusers.prompts import PromptReader
from backends.diffusers.studio import Studio
from tests.unit.diffusers.tiny import save_stable_diffusion, save_stable_diffusion_xl


class Model:
    """A loaded model with all that works on it."""

    def __init__(
        self,
        folder: Path,
        *,
        lenient: bool = False,
        weights: torch.dtype = torch.float32,
        **options: Any,
    ) -> None:
        self.options = Options.parse(options)
        self.loaded = load_pipeline(folder, self.options, "cpu", weights)
        self.pipelines = Pipelines(self.loaded, self.options, "cpu")
        self.prompts = PromptReader(self.loaded)
        self.desk = OrderDesk(self.pipelines, self.options, lenient=lenient)
        self.painter = Painter(self.pipelines, self.prompts)

    @contextmanager
    def studio(self) -> Iterator[Studio]:
        """Give its studio; closed when the block ends."""
        studio = Studio(self.painter)
        yield studio
        studio.close()


@pytest.fixture(scope="session")
def sd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stable_diffusion(tmp_path_factory.mktemp("tiny") / "sd")


@pytest.fixture(scope="session")
def xl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stable_diffusion_xl(tmp_path_factory.mktemp("tiny") / "xl")


@pytest.fixture(scope="session")
def sd(sd_folder: Path) -> Model:
    return Model(sd_folder, steps=4)


@pytest.fixture(scope="session")
def xl(xl_folder: Path) -> Model:
    return Model(xl_folder, steps=4)
