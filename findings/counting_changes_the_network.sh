#!/usr/bin/env bash
# ptflops 0.7.5, calflops 0.3.2, torch-pruning 1.6.1, openvino 2026.4.1, fvcore 0.1.5.post20221221, torchprofile 0.1.0, thop 0.1.1,
# torchinfo 1.8.0, torch 2.13.0.
# Guess: a network that is counted or converted in the middle of training is afterwards what it was before.
# Really: ptflops, calflops, torch-pruning's build_dependency and openvino.convert_model leave it in evaluation mode: training goes
#         on with fixed statistics and without dropout. fvcore and torchprofile count in training mode: the dummy image moves the
#         running statistics. thop leaves keys in the state dict, and a strict load refuses them. torchinfo leaves nothing.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 openvino==2026.4.1 torchinfo==1.8.0
"$folder/venv/bin/pip" install --quiet --no-deps ptflops==0.7.5 calflops==0.3.2 torch-pruning==1.6.1 thop==0.1.1.post2209072238 \
  torchprofile==0.1.0 fvcore==0.1.5.post20221221 iopath==0.1.10 portalocker==4.4.2 termcolor==3.3.0 yacs==0.1.8 tqdm tabulate pyyaml
cd "$folder"; "$folder/venv/bin/python" -W ignore - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import sys
from unittest.mock import MagicMock
for name in "torchvision transformers timm accelerate accelerate.utils huggingface_hub huggingface_hub.utils".split():
    sys.modules[name] = MagicMock(__version__="0.0")  # imported by the counters, and not needed here
import calflops, fvcore.nn, openvino, ptflops, thop, torch, torch_pruning, torchinfo, torchprofile
from torch import nn

side, dummy = (3, 16, 16), torch.zeros(1, 3, 16, 16)
ways = {  # what is run; then: in training mode afterwards, batches in the running statistics, new keys in the state dict
    "ptflops": (lambda n: ptflops.get_model_complexity_info(n, side, print_per_layer_stat=False), (False, 0, 0)),
    "calflops": (lambda n: calflops.calculate_flops(n, (1, *side), print_results=False), (False, 0, 0)),
    "torch-pruning": (lambda n: torch_pruning.DependencyGraph().build_dependency(n, dummy), (False, 0, 0)),
    "openvino": (lambda n: openvino.convert_model(n, example_input=dummy), (False, 0, 0)),
    "fvcore": (lambda n: fvcore.nn.FlopCountAnalysis(n, dummy).total(), (True, 1, 0)),
    "torchprofile": (lambda n: torchprofile.profile_macs(n, dummy), (True, 1, 0)),
    "thop": (lambda n: thop.profile(n, (dummy,), verbose=False), (True, 0, 2)),
    "torchinfo": (lambda n: torchinfo.summary(n, input_data=dummy, verbose=0), (True, 0, 0)),
}
for name, (run, expected) in ways.items():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)).train()
    keys, _ = set(network.state_dict()), run(network)
    found = network.training, network[1].num_batches_tracked.item(), len(set(network.state_dict()) - keys)
    print("%s: in training mode afterwards: %s; batches in the statistics: %d; new keys: %d" % (name, *found))
    assert found == expected, f"{name} leaves something else behind now"
PYTHON
