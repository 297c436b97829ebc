"""Who reads what in a network, found out by following its forward once, without computing."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from torch import fx, nn


class Flow:
    """The steps of ``network``, each with those that read its output.

    ``trouble`` says why there are none, where the network's own forward cannot be followed: it may decide by numbers
    or sizes that are not known before there is an image.
    """

    def __init__(self, network: nn.Module) -> None:
        graph, self.trouble = fx.Graph(), ""
        try:
            if "forward" in vars(network):
                raise ValueError("it is not that of its class")
            graph = _Follower().trace(copy.deepcopy(network))  # a copy, since a forward may keep what it is shown
        except Exception as error:
            self.trouble = f"the network's forward cannot be followed: {error}".partition("\n")[0]
        self.steps = str(graph)
        self.called: dict[fx.Node, nn.Module] = {}
        self.calls: dict[nn.Module, set[fx.Node]] = defaultdict(set)
        read = set()
        for node in graph.nodes:
            if node.op == "call_module":
                self.called[node] = network.get_submodule(node.target)
                self.calls[self.called[node]].add(node)
            elif node.op == "get_attr":
                read.add(id(attrgetter(node.target)(network)))
        self.entangled = {inner for part in self.called.values() for inner in part.modules() if inner is not part}
        for part in network.modules():
            if any(id(tensor) in read for tensor in (*part._parameters.values(), *part._buffers.values())):
                self.entangled.add(part)

    def only_source(self, module: nn.Module) -> nn.Module | None:
        """The one module that ``module`` reads, if every output of it goes to ``module`` and nowhere else."""
        reads = self.calls.get(module, set())
        sources = {self.called.get(node.args[0]) if len(node.args) == 1 else None for node in reads}
        if len(sources) != 1 or None in sources or self.entangled & {module, *sources}:
            return None
        (source,) = sources
        return source if {reader for call in self.calls[source] for reader in call.users} == reads else None


class _Follower(fx.Tracer):
    """Steps are the modules of ``torch.nn``, convolutions, and what cannot be followed; all others are looked into."""

    proxy_buffer_attributes = True

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, nn.Conv2d) or super().is_leaf_module(module, name)

    def call_module(self, module: nn.Module, forward: Callable, args: tuple, kwargs: dict) -> Any:
        before, stack = len(self.graph.nodes), self.module_stack.copy()
        try:
            return super().call_module(module, module.forward, args, kwargs)  # without hooks, which may remember
        except Exception:  # a forward may raise anything when it is shown data without numbers
            self.module_stack = stack
            for node in reversed(list(self.graph.nodes)[before:]):
                self.graph.erase_node(node)
            return self.create_proxy("call_module", self.path_of_module(module), args, kwargs)
