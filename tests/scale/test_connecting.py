"""A cluster that cannot be used is one line."""

import pytest

from penname.errors import UserError
from penname.recipe_files import load_recipe
from penname.runs.folder import RunFolder

pytest.importorskip("ray", reason="ray is not installed: pip install 'penname[ray]'")


def test_a_cluster_that_is_not_there(tmp_path):
    from penname.scale.ray_executor import RayExecutor

    recipe = load_recipe("quickstart", ["scale.kind=ray", "scale.address=127.0.0.1:1"])
    with pytest.raises(UserError, match=r"scale.address 127.0.0.1:1: .*; expected a cluster"):
        next(RayExecutor(recipe, RunFolder(tmp_path, None)).execute(None, "stage", len, []))
