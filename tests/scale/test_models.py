"""Models on their way to a machine that does not have them."""

import shutil

import pytest

from penname.scale import models
from penname.scale.models import DriversModel, LocatedModels, ModelCache, ModelMissing, content_hash, read_chunks


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "driver" / "model"
    (folder / "parts").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "empty.txt").touch()
    (folder / "parts" / "weights.safetensors").write_bytes(bytes(range(256)) * 10)
    return DriversModel(folder, content_hash(folder))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENNAME_CACHE", str(tmp_path / "worker"))
    monkeypatch.setattr(models, "CHUNK", 1000)  # so that a file has several
    return ModelCache()


def send(model, cache, chunks=None):
    for name, chunk in read_chunks(model.folder) if chunks is None else chunks:
        cache.write(model.model_hash, name, chunk)
    return cache.finish(model.model_hash)


def test_a_model_arrives_as_it_was(model, cache, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    assert cache.find(model.model_hash, elsewhere) is None
    assert sum(name == "parts/weights.safetensors" for name, _ in read_chunks(model.folder)) == 3
    assert send(model, cache) == model.model_hash
    found = cache.find(model.model_hash, elsewhere)
    assert content_hash(found) == model.model_hash
    assert (found / "empty.txt").is_file()
    assert send(model, cache) == model.model_hash  # a second process may send it again
    assert [path.name for path in found.parent.iterdir()] == [model.model_hash]


def test_a_model_that_was_damaged_on_its_way_is_not_kept(model, cache, tmp_path):
    assert send(model, cache, [*read_chunks(model.folder)][:-1]) != model.model_hash
    assert cache.find(model.model_hash, tmp_path / "elsewhere") is None


def test_the_same_files_under_the_same_path_need_not_be_sent(model, cache):
    assert cache.find(model.model_hash, model.folder) == model.folder
    (model.folder / "README.md").write_text("A card that was written later.")
    assert content_hash(model.folder) == model.model_hash


def test_other_files_under_the_same_path_are_not_taken_for_the_model(model, cache, tmp_path):
    shutil.copytree(model.folder, tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text("[]")
    assert cache.find(model.model_hash, tmp_path / "other") is None


def test_models_are_located_by_the_drivers_names(model, cache, tmp_path):
    located = LocatedModels(cache)
    with pytest.raises(ModelMissing) as unknown:
        located.locate("mine")
    assert unknown.value.name == "mine"
    located.known = {"mine": model, "owner/hub-id": None, "sent": DriversModel(tmp_path / "nowhere", model.model_hash)}
    assert located.locate("mine") == str(model.folder)
    assert located.locate("owner/hub-id") == "owner/hub-id"
    with pytest.raises(ModelMissing):
        located.locate("sent")
    send(model, cache)
    assert located.locate("sent").endswith(model.model_hash)
