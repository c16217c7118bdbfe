"""PyTorch: what a module's gradients and learning rates do, through the hooks that its optimisers offer."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from noria.client.told import Told, guarded


class Watched:
    """Tells of one module, every so many steps of whichever optimiser moves it; nothing is computed between.

    Args:
        every: Steps between what is told: each one asks the device for three numbers.
    """

    def __init__(self, run: Told, module: torch.nn.Module, *, every: int) -> None:
        self._run, self._module, self._every = run, module, max(1, every)
        self._mine = {id(parameter) for parameter in module.parameters()}
        self._steps = 0
        tell = guarded(self._tell, None)
        self._hook = register_optimizer_step_pre_hook(lambda optimizer, args, kwargs: tell(optimizer))
        run.at_end(self._hook.remove)

    def describe(self) -> None:
        """Tell what the module is."""
        parameters = list(self._module.parameters())
        self._run.params(
            {
                "module": type(self._module).__name__,
                "parameters": sum(one.numel() for one in parameters),
                "parameters_trained": sum(one.numel() for one in parameters if one.requires_grad),
            }
        )
        self._run.log_text(f"{self._module}\n", "module.txt")

    def _tell(self, optimizer: Any) -> None:
        if not any(id(one) in self._mine for group in optimizer.param_groups for one in group["params"]):
            return
        step, self._steps = self._steps, self._steps + 1
        if step == 0:
            self._run.params({"optimizer": type(optimizer).__name__})
        if step % self._every:
            return
        told: dict[str, float] = {f"lr/{number}": float(group["lr"]) for number, group in enumerate(optimizer.param_groups)}
        gradients = [one.grad.detach() for one in self._module.parameters() if one.grad is not None]
        if gradients:
            with torch.no_grad():
                told["gradient/norm"] = float(_norm(gradients))
                told["gradient/largest"] = float(torch.stack([one.abs().max().float() for one in gradients if one.numel()]).max())
                told["parameter/norm"] = float(_norm([one.detach() for one in self._module.parameters()]))
        self._run.log(told, step=step)


def _norm(tensors: list[torch.Tensor]) -> torch.Tensor:
    """The Euclidean norm of all of them together, on the first one's device."""
    device = tensors[0].device
    return torch.stack([torch.linalg.vector_norm(one.float()).to(device) for one in tensors]).norm()
