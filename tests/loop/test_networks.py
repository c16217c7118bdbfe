"""A loop whose train function returns a PyTorch module turns as any other."""

from __future__ import annotations

import pytest

from noria.core.turning import TurnState
from noria.stages.registry import versions

TORCH = """
class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = torch.nn.Linear(width, 1)

    def forward(self, rows):
        return torch.sigmoid(self.inner(torch.nan_to_num(rows))).squeeze(-1)

def train(data, params):
    net = Net(data.X.shape[1])
    X, y = torch.tensor(data.X, dtype=torch.float32), torch.tensor(data.y, dtype=torch.float32)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy(net(X), y).backward()
        optimizer.step()
    return net
"""


def test_a_torch_module_is_trained_packaged_judged_and_answers(noria, declaration) -> None:
    pytest.importorskip("torch")
    before, _, after = declaration.partition("def train(data, params):")
    written = "import torch\n" + before + TORCH + after.partition("fit(data.X, data.y)\n")[2]
    one = noria(declaration=written)
    one.be_born()
    assert one.turns()[0].state is TurnState.DONE
    candidate = versions.get(one.world.records, "orders", 1).candidate
    assert (candidate.format, candidate.serving_form) == ("onnx", "onnx")
    one.days(1)
    assert one.failed == 0
