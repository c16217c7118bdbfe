"""A module's gradients and learning rates are told by its optimiser's own hooks; batches by going by."""

import pytest

from noria.client.frameworks.loader import Tracked, rows_in


def test_batches_go_by_unchanged_and_tell_their_pace(run):
    batches = [([1, 2, 3], [0, 1, 0]), ([4, 5], [1, 1])]
    tracked = Tracked(run, batches, name="train", every_s=1e9)
    assert list(tracked) == batches
    assert len(tracked) == 2
    assert {(name, step) for name, step, _ in run.points} == {
        (f"train/{what}", 2) for what in ("batches_per_s", "rows_per_s", "waiting_share")
    }
    assert run.curve("train/rows_per_s")[0] == pytest.approx(2.5 * run.curve("train/batches_per_s")[0])


def test_rows_of_whatever_a_batch_is():
    assert [rows_in(one) for one in ([1, 2], {"a": [1, 2, 3]}, ([[1], [2]], [0, 1]), 7, [], {})] == [2, 3, 1, 1, 0, 0]


def test_a_module_tells_its_gradients_whichever_optimiser_moves_it(run):
    torch = pytest.importorskip("torch")
    from noria.client.frameworks.torch import Watched

    torch.manual_seed(1)
    module, other = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)
    watched = Watched(run, module, every=2)
    watched.describe()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    unrelated = torch.optim.SGD(other.parameters(), lr=9.0)
    rate = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    for _ in range(5):
        for one, by in ((module, optimizer), (other, unrelated)):
            by.zero_grad()
            one(torch.ones(4, 3)).square().mean().backward()
            by.step()
        rate.step()
    run.finish()
    optimizer.step()
    assert run.given == {"module": "Linear", "parameters": 4, "parameters_trained": 4, "optimizer": "SGD"}
    assert run.curve("lr/0") == pytest.approx([0.1, 0.025, 0.00625])
    assert len(run.curve("gradient/norm")) == len(run.curve("parameter/norm")) == 3
    assert run.curve("gradient/norm")[0] >= run.curve("gradient/largest")[0] > 0


def test_a_loader_with_workers_goes_on_telling(run, tmp_path):
    torch = pytest.importorskip("torch")
    import noria as nr
    from noria.client import kept
    from noria.client.place import Place
    from noria.client.run import Run

    where = Place(url="", spool=tmp_path, offline=True)
    with Run("r", experiment="e", where=where, capture=False, system_every_s=0) as told:

        class Rows(torch.utils.data.Dataset):
            def __len__(self):
                return 8

            def __getitem__(self, at):
                told.log({"worker/row": at}, step=at)
                return torch.ones(2) * at

        seen = sum(len(batch) for batch in told.track(torch.utils.data.DataLoader(Rows(), batch_size=2, num_workers=2)))
    assert seen == 8
    folder = next(tmp_path.glob(f"*/{told.id}"))
    entries = [entry for file in kept.files_of(folder) for entry in kept.next_batch(file).entries]
    assert sum(b"worker/row" in entry for entry in entries) == 8
    assert nr.run
