"""Folding, ONNX and 8-bit integers: nothing changes but what must."""

import copy
import importlib.util
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrizations
from transformers import MobileNetV1Config, MobileNetV1ForImageClassification

from mobilenet_edu import deploy, training
from mobilenet_edu.blocks import ConvBNReLU, SameConv2d
from mobilenet_edu.network import ConvMobileNet, MobileNetV1
from mobilenet_edu.weights import from_checkpoint

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def lively(network, seed=0):
    """Weights that carry the image to the output, and batch norms that scale and shift each channel in its own way."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, _BatchNorm) and part.running_mean is not None:
                part.running_mean.normal_(0, 0.1)
                part.running_var.uniform_(0.5, 1.5)
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(0, 0.3)
            elif isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight)
            elif isinstance(part, nn.Linear):
                part.weight.normal_(0, 0.1)
    return network.eval()


@pytest.fixture(scope="module")
def reader():
    return training.load_digit_reader()


@pytest.fixture(scope="module")
def data():
    return training.digits()


@pytest.fixture(scope="module")
def exported(reader, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "reader.onnx"
    deploy.export_onnx(reader, path, (1, 32, 32))
    return path


@pytest.fixture(scope="module")
def integers(exported, data):
    """The reader in 8-bit integers, by whether each channel has a scale."""
    paths = {per_channel: exported.with_name(f"{per_channel}.onnx") for per_channel in (False, True)}
    for per_channel, path in paths.items():
        deploy.quantize_onnx(exported, path, data.validation.images, per_channel=per_channel)
    return paths


@pytest.mark.parametrize("build", [MobileNetV1, ConvMobileNet])
@pytest.mark.parametrize("bias", [False, True])
def test_folding_changes_no_output(build, bias):
    network = lively(build(10, 0.25, bias=bias)).double()
    images = torch.randn(3, 3, 65, 48, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(deploy.fold_batch_norms(network)(images), network(images))


def test_a_folded_network_has_no_batch_norm_and_the_original_keeps_its_own():
    network = MobileNetV1(10, 0.25).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded = deploy.fold_batch_norms(network)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    assert not folded.training
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_each_pair_of_batch_norm_parameters_leaves_one_bias():
    network = MobileNetV1()
    channels = sum(norm.num_features for norm in network.modules() if isinstance(norm, nn.BatchNorm2d))
    parameters, folded = (sum(p.numel() for p in n.parameters()) for n in (network, deploy.fold_batch_norms(network)))
    assert parameters - folded == channels


# folding by who reads what


def kept(network, *size):
    """Fold ``network`` and hold it to the original on random images; what was folded."""
    network = lively(network.eval())
    images = torch.randn(3, *size, generator=torch.Generator().manual_seed(1))
    folded = deploy.fold_batch_norms(network)
    with torch.no_grad():
        expected = network(images)
        torch.testing.assert_close(folded(images), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert expected.std() > 1e-3
    return folded


def count(network, kind):
    return sum(type(part) is kind for part in network.modules())


class Block(nn.Module):
    """Convolution and batch norm as attributes, joined in ``forward`` as a subclass likes."""

    def __init__(self, convolution=nn.Conv2d):
        super().__init__()
        self.conv, self.norm = convolution(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)

    def forward(self, images):
        return self.norm(self.conv(images)).relu()


class Residual(Block):
    def forward(self, images):
        return images + self.norm(self.conv(images))


class Twice(Block):
    """A pair that two steps share."""

    def forward(self, images):
        return self.norm(self.conv(self.norm(self.conv(images)).relu()))


@pytest.mark.parametrize("build", [Block, Residual, Twice])
def test_a_pair_is_found_wherever_it_is_called(build):
    for network in (build(), nn.Sequential(nn.Sequential(build()), nn.ReLU(), build())):
        folded = kept(network, 4, 9, 9)
        assert count(folded, nn.BatchNorm2d) == 0
        assert count(folded, nn.Identity) == count(network, nn.BatchNorm2d)


def test_a_plain_sequential_of_any_depth_is_folded():
    inner = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), nn.BatchNorm2d(6))
    network = nn.Sequential(nn.Sequential(SameConv2d(3, 4, 3, 2)), nn.BatchNorm2d(4), nn.ReLU(), inner)
    folded = kept(network, 3, 32, 32)
    assert count(folded, nn.BatchNorm2d) == 0
    assert type(folded[0][0]) is SameConv2d


def test_a_network_that_is_one_pair_is_folded():
    folded = kept(ConvBNReLU(nn.Conv2d(3, 4, 3)), 3, 8, 8)
    assert [type(part) for part in folded] == [nn.Conv2d, nn.Identity, nn.ReLU]


class TwoNames(Block):
    def __init__(self):
        super().__init__()
        self.same, self.too = self.conv, self.norm

    def forward(self, images):
        return self.too(self.same(images))


def test_a_pair_is_replaced_under_all_its_names():
    folded = kept(TwoNames(), 4, 9, 9)
    assert folded.too is folded.norm
    assert folded.same is folded.conv


class ReadElsewhere(Block):
    def forward(self, images):
        written = self.conv(images)
        return self.norm(written) + written


class ReadFirst(Block):
    def forward(self, images):
        written = self.conv(images)
        return written.sigmoid() * self.norm(written)


class Returned(Block):
    def forward(self, images):
        written = self.conv(images)
        return torch.cat([self.norm(written), written])


class WeightsRead(Block):
    def forward(self, images):
        return self.norm(self.conv(images)) + torch.nn.functional.conv2d(images, self.conv.weight, padding=1)


class StatisticsRead(Block):
    def forward(self, images):
        return self.norm(self.conv(images)) + self.norm.running_mean.mean()


class SharedConvolution(Block):
    def __init__(self):
        super().__init__()
        self.other = nn.BatchNorm2d(4)

    def forward(self, images):
        return self.norm(self.conv(images)) + self.other(self.conv(images.relu()))


class SharedNorm(Block):
    def __init__(self):
        super().__init__()
        self.other = nn.Conv2d(4, 4, 1)

    def forward(self, images):
        return self.norm(self.conv(images)) + self.norm(self.other(images))


class ConvolutionAlone(Block):
    """Goes through the pair in one step and through its first half in another."""

    def __init__(self):
        super().__init__()
        self.pair = nn.Sequential(self.conv, self.norm)

    def forward(self, images):
        return self.pair(images) + self.pair[0](images)


class Between(Block):
    def forward(self, images):
        return self.norm(self.conv(images).relu())


class NormFirst(Block):
    def forward(self, images):
        return self.conv(self.norm(images))


class InPlace(Block):
    def forward(self, images):
        written = self.conv(images)
        written.mul_(2)
        return self.norm(written)


class ForwardCalled(Block):
    def forward(self, images):
        return self.norm(self.conv.forward(images))


class Chooses(Block):
    def forward(self, images):
        written = self.conv(images)
        return self.norm(written) if images.mean() > 100 else written


class HidesItsPart(Block):
    """One step cannot be followed, and uses a convolution that another step seems to have to itself."""

    def __init__(self):
        super().__init__()
        self.hidden = Chooses()
        self.hidden.conv = self.conv

    def forward(self, images):
        return self.norm(self.conv(images)) + self.hidden(images)


@pytest.mark.parametrize(
    "build",
    [
        *(ReadElsewhere, ReadFirst, Returned, WeightsRead, StatisticsRead, SharedConvolution, SharedNorm),
        *(ConvolutionAlone, Between, NormFirst, InPlace, ForwardCalled, Chooses, HidesItsPart),
    ],
)
def test_a_batch_norm_stays_where_folding_would_change_the_network(build, caplog):
    network = build()
    folded = kept(network, 4, 9, 9)
    assert count(folded, nn.BatchNorm2d) == count(network, nn.BatchNorm2d)
    assert "these batch norms stay as they are: " in caplog.text
    reason = "the network's forward cannot be followed" if build is Chooses else "no convolution is seen"
    assert f"({reason}" in caplog.text


def test_weights_that_two_convolutions_share_are_folded_apart():
    network = nn.Sequential(Block(), Block())
    network[1].conv.weight = network[0].conv.weight
    assert count(kept(network, 4, 9, 9), nn.BatchNorm2d) == 0


class Scaled(nn.Conv2d):
    def forward(self, images):
        return 2 * super().forward(images)


class Rectified(nn.BatchNorm2d):
    def forward(self, images):
        return super().forward(images).relu()


@pytest.mark.parametrize(
    ("pair", "name"),
    [
        ((Scaled(4, 4, 3), nn.BatchNorm2d(4)), "Scaled"),
        ((nn.ConvTranspose2d(4, 4, 3), nn.BatchNorm2d(4)), "ConvTranspose2d"),
        ((parametrizations.weight_norm(nn.Conv2d(4, 4, 3)), nn.BatchNorm2d(4)), "ParametrizedConv2d"),
        ((nn.Conv2d(4, 4, 3), Rectified(4)), "Rectified"),
        ((nn.Conv2d(4, 4, 3), nn.SyncBatchNorm(4)), "SyncBatchNorm"),
        ((nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)), "running statistics"),
    ],
)
def test_a_pair_of_other_classes_stays_and_is_named_while_the_rest_is_folded(pair, name, caplog):
    folded = kept(nn.Sequential(*pair, nn.ReLU(), Block()), 4, 9, 9)
    assert [type(part) for part in folded[:2]] == [type(part) for part in pair] or name == "ParametrizedConv2d"
    assert type(folded[3].norm) is nn.Identity
    assert name in caplog.text


def test_a_hook_on_a_convolution_keeps_it_and_a_hook_around_the_pair_is_not_shown_to_the_search():
    network, seen = nn.Sequential(Block(), Block()), []
    network[0].conv.register_forward_hook(lambda module, args, output: output.abs())
    network[1].register_forward_hook(lambda module, args, output: seen.append(output))
    folded = deploy.fold_batch_norms(lively(network))
    assert seen == []
    assert [type(block.norm) for block in folded] == [nn.BatchNorm2d, nn.Identity]
    kept(network, 4, 9, 9)
    assert len(seen) == 2


class Remembers(Block):
    def forward(self, images):
        self.last = self.conv(images)
        return self.norm(self.last)


def test_what_a_forward_keeps_for_itself_does_not_get_into_the_copy():
    folded = deploy.fold_batch_norms(Remembers())
    assert not hasattr(folded, "last")
    copy.deepcopy(folded)


class LooksAtItsNorm(Block):
    def forward(self, images):
        written = self.conv(images)
        return self.norm(written) if isinstance(self.norm, nn.BatchNorm2d) else written.relu()


def test_a_network_that_asks_what_its_batch_norm_is_is_refused():
    with pytest.raises(ValueError, match="network must not look at its batch norms"):
        deploy.fold_batch_norms(LooksAtItsNorm())


def test_a_folded_network_comes_back_as_an_unchanged_copy_and_can_be_copied_and_loaded():
    network = lively(MobileNetV1(10, 0.25))
    once = deploy.fold_batch_norms(network)
    for again in (deploy.fold_batch_norms(once), copy.deepcopy(once), deploy.fold_batch_norms(MobileNetV1(10, 0.25))):
        again.load_state_dict(once.state_dict())
        images = torch.randn(2, 3, 40, 40)
        with torch.no_grad():
            assert torch.equal(again(images), once(images))
        assert again is not once
        assert again.stem.conv.weight is not once.stem.conv.weight
        assert [type(part) for part in again.modules()] == [type(part) for part in once.modules()]


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Identity()),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)),
        nn.Linear(3, 4),
    ],
)
def test_a_network_in_which_nothing_can_be_folded_and_nothing_was_is_refused(network):
    with pytest.raises(ValueError, match="network must have batch norms to fold"):
        deploy.fold_batch_norms(network)


class NormWithReLU(nn.BatchNorm2d):
    """As timm has it: one class that normalises and applies ReLU."""

    def forward(self, x):
        return super().forward(x).relu()


def test_a_batch_norm_of_another_class_stays_and_the_reason_names_the_class(caplog):
    network = nn.Sequential(nn.Conv2d(4, 4, 3), NormWithReLU(4)).eval()
    kept(network, 4, 9, 9)
    assert "1 (norm is of class NormWithReLU and must be exactly of BatchNorm2d to be folded)" in caplog.text


@pytest.mark.parametrize("network", [None, "MobileNetV1", MobileNetV1])
def test_what_is_no_network_is_refused(network):
    with pytest.raises(TypeError, match="must be a built nn"):
        deploy.fold_batch_norms(network)


def test_the_number_of_batch_norms_that_were_folded_is_logged(caplog):
    with caplog.at_level("INFO"):
        deploy.fold_batch_norms(MobileNetV1(10, 0.25))
        deploy.fold_batch_norms(nn.Sequential(Block(), Between()))
    assert "folded 27 of 27 batch norms" in caplog.text
    assert "folded 1 of 2 batch norms" in caplog.text
    assert "1.norm (no convolution is seen whose output it reads and nothing else does)" in caplog.text


class DecidesBySize(MobileNetV1):
    def forward(self, images):
        return super().forward(images if images.shape[-1] > 8 else images.repeat(1, 1, 2, 2))


def test_a_network_whose_forward_cannot_be_followed_is_left_alone_and_the_reason_is_told_once(caplog):
    folded = kept(DecidesBySize(10, 0.25), 3, 32, 32)
    assert count(folded, nn.BatchNorm2d) == 27
    assert (
        "stem.norm, blocks.0.depthwise.norm, blocks.0.pointwise.norm and 24 more (the network's forward" in caplog.text
    )
    assert caplog.text.count("stay as they are") == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_network_in_half_precision_is_folded_in_it(dtype):
    network = lively(MobileNetV1(10, 0.25)).to(dtype)
    images = torch.randn(2, 3, 64, 64, dtype=dtype)
    folded = deploy.fold_batch_norms(network)
    assert {parameter.dtype for parameter in folded.parameters()} == {dtype}
    with torch.no_grad():
        expected = network(images)
        exact = copy.deepcopy(network).double()(images.double())
        assert (folded(images) - exact).abs().max() < 3 * (expected - exact).abs().max()


# from a checkpoint to integers


def scenes(count, size, seed):
    """Random smooth pictures in colour, from -1 to 1."""
    coarse = torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)
    return smooth.clamp(-1, 1)


def checkpoint_of(publisher):
    """Weights that carry a picture to the logits, statistics from batches, under the publisher's names."""
    torch.manual_seed(5)
    network = MobileNetV1(50, 0.25, activation=nn.ReLU6)
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)
        elif isinstance(part, nn.BatchNorm2d):
            part.momentum = None  # the average of all batches
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0.3, 0.3)
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, 0, 0.3)
    with torch.no_grad():
        for seed in range(4):
            network.train()(scenes(16, 128, seed))
    return under_the_names_of(publisher, network.state_dict())


def under_the_names_of(publisher, state):
    if publisher == "transformers":
        theirs = MobileNetV1ForImageClassification(MobileNetV1Config(depth_multiplier=0.25, num_labels=50)).state_dict()
    else:
        theirs = json.loads((EXPERIMENTS / "results" / "timm_mobilenetv1_100.json").read_text(encoding="utf-8"))
    return dict(zip(theirs, state.values(), strict=True))  # both list their tensors in the order of the layers


@pytest.fixture(scope="module", params=["transformers", "timm"])
def published(request, tmp_path_factory):
    """A network that `from_checkpoint` made, folded once and twice, and ONNX files: at one size unfolded."""
    network = from_checkpoint(checkpoint_of(request.param))
    once = deploy.fold_batch_norms(network)
    files = {}
    for size, each in ((128, once), (224, network), (225, once)):
        files[size] = tmp_path_factory.mktemp("onnx") / f"{size}.onnx"
        deploy.export_onnx(each, files[size], (3, size, size))
    return network, once, deploy.fold_batch_norms(once), files


def shapes(network, images):
    """The shape of every convolution's output."""
    seen = []
    hooks = [
        part.register_forward_hook(lambda part, args, output: seen.append(tuple(output.shape)))
        for part in network.modules()
        if isinstance(part, nn.Conv2d)
    ]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return seen


def test_a_folded_network_of_any_publisher_has_the_same_kinds_of_layers(published):
    network, once, twice, _ = published
    kinds = [type(part) for part in network.modules() if not isinstance(part, nn.BatchNorm2d)]
    for folded in (once, twice):
        assert [type(part) for part in folded.modules() if type(part) is not nn.Identity] == kinds
        assert count(folded, nn.BatchNorm2d) == 0


@pytest.mark.parametrize("size", [128, 224, 225])
def test_a_folded_network_of_any_publisher_is_the_same_network_at_every_size(published, size):
    network, once, twice, _ = published
    images = scenes(4, size, 100)
    with torch.no_grad():
        logits = network(images)
        assert (logits[0] - logits[1]).abs().max() > 0.5  # they depend on the picture
        for folded in (once, twice):
            assert shapes(folded, images) == shapes(network, images)
            assert (folded(images) - logits).abs().max() < 1e-4 * logits.abs().max()
            assert torch.equal(folded(images).argmax(1), logits.argmax(1))


@pytest.mark.parametrize("size", [128, 224, 225])
def test_an_exported_network_of_any_publisher_is_the_same_network(published, size):
    network, _, _, files = published
    images = scenes(4, size, 101)
    with torch.no_grad():
        logits = network(images)
    exported = deploy.load_onnx(files[size])(images)
    assert (exported - logits).abs().max() < 1e-4 * logits.abs().max()
    assert torch.equal(exported.argmax(1), logits.argmax(1))


@pytest.mark.parametrize("publisher", ["transformers", "timm"])
def test_a_trained_network_of_any_publisher_keeps_its_answers_in_integers(publisher, reader, data, tmp_path):
    """The digit reader under their names, with the habits that it was trained with."""
    checkpoint = under_the_names_of(publisher, reader.state_dict())
    network = from_checkpoint(checkpoint, activation=nn.ReLU, epsilon=1e-5, padding="half")
    deploy.export_onnx(deploy.fold_batch_norms(network), tmp_path / "float.onnx", (1, 32, 32))
    deploy.quantize_onnx(tmp_path / "float.onnx", tmp_path / "integers.onnx", data.validation.images, per_channel=True)
    images = data.test.images
    with torch.no_grad():
        assert torch.equal(network(images), reader(images))
        answers = reader(images).argmax(1)
    assert (deploy.load_onnx(tmp_path / "integers.onnx")(images).argmax(1) == answers).float().mean() > 0.9


@pytest.mark.parametrize("batch", [1, 5])
def test_an_onnx_file_gives_the_logits_of_pytorch_for_any_number_of_images(exported, reader, data, batch):
    images = data.test.images[:batch]
    with torch.no_grad():
        torch.testing.assert_close(deploy.load_onnx(exported)(images), reader(images), rtol=0, atol=1e-4)


def test_an_onnx_file_is_one_valid_file_with_an_open_batch_and_without_batch_norm(exported):
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    assert [path.name for path in exported.parent.glob("reader.onnx*")] == ["reader.onnx"]
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize(("asked", "threads"), [({}, 1), ({"threads": 1}, 1), ({"threads": 2}, 2)])
def test_onnxruntime_gets_as_many_threads_as_are_asked_for(exported, monkeypatch, asked, threads):
    sessions = []
    make = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *a, **k: sessions.append(make(*a, **k)) or sessions[0])
    deploy.load_onnx(exported, **asked)
    assert sessions[0].get_session_options().intra_op_num_threads == threads


def test_a_network_in_training_mode_is_exported_in_evaluation_mode_and_stays_in_training(tmp_path, capfd):
    network = lively(MobileNetV1(4, 0.25)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    deploy.export_onnx(network, tmp_path / "network.onnx", (3, 40, 56))
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    images = torch.randn(3, 3, 40, 56)
    with torch.no_grad():
        expected = network.eval()(images)
    torch.testing.assert_close(deploy.load_onnx(tmp_path / "network.onnx")(images), expected, rtol=0, atol=1e-4)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("per_channel", [False, True])
def test_every_convolution_has_as_many_scales_as_asked_for(integers, per_channel):
    graph = onnx.load(integers[per_channel]).graph
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 27
    for node in convolutions:
        weight, scale = made_by[node.input[1]].input[:2]
        assert constants[weight].dtype == "int8"
        assert constants[scale].size == (constants[weight].shape[0] if per_channel else 1)


def test_one_scale_a_channel_keeps_the_answers_and_one_a_layer_loses_them(integers, data):
    right = {
        per_channel: (deploy.load_onnx(path)(data.test.images).argmax(1) == data.test.labels).float().mean()
        for per_channel, path in integers.items()
    }
    assert right[True] > 0.9
    assert right[False] < 0.3


def test_images_that_still_want_gradients_are_taken_as_they_are(exported, data):
    run, images = deploy.load_onnx(exported), data.test.images[:2]
    assert torch.equal(run(images.clone().requires_grad_()), run(images))


def test_the_integer_file_is_smaller(exported, integers):
    assert all(path.stat().st_size < exported.stat().st_size for path in integers.values())


def test_dead_channels_are_what_destroys_a_network_with_one_scale_a_layer():
    runs = deploy.stored_quantized_runs()
    assert [(run.network, run.seed) for run in runs] == [
        (network, seed) for seed in range(5) for network in ("separable", "dense")
    ]
    for run in runs:
        destroyed = run.per_tensor < 0.3 * 360
        assert destroyed == (run.dead_channels > 0) == (run.unevenness > 100)
        assert destroyed or abs(run.per_tensor - run.float32) <= 0.01 * 360
        assert abs(run.per_channel - run.float32) <= 0.02 * 360
    assert {run.network for run in runs if run.dead_channels} == {"separable"}
    assert sum(run.dead_channels > 0 for run in runs) >= 3


def script(name):
    specification = importlib.util.spec_from_file_location(name, EXPERIMENTS / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_experiment_finds_the_dead_channels_that_a_loop_finds(reader):
    experiment = script("quantize_digits")
    norms = [part for part in reader.modules() if isinstance(part, nn.BatchNorm2d)]
    dead = [variance for norm in norms for variance in norm.running_var.tolist() if variance < 1e-5]
    assert experiment.dead_channels(reader) == len(dead) > 0
    (stored,) = [run for run in deploy.stored_quantized_runs() if (run.network, run.seed) == ("separable", 0)]
    assert stored.dead_channels == len(dead)  # the reader is that run, kept as 16-bit floats
    assert experiment.unevenness(reader) == pytest.approx(stored.unevenness, rel=0.02)


@pytest.mark.slow
def test_a_stored_run_comes_out_again():
    experiment = script("quantize_digits")
    again = experiment.quantized("separable", 2, experiment.trained("separable", 2))
    (stored,) = [run for run in deploy.stored_quantized_runs() if (run.network, run.seed) == ("separable", 2)]
    assert abs(again.float32 - stored.float32) <= 0.015 * 360
    assert abs(again.per_channel - stored.per_channel) <= 0.03 * 360
    assert (again.per_tensor < 0.3 * 360) == (again.dead_channels > 0)


# what would be written wrongly


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("part", ["whole", "stem.conv", "classifier"])
def test_a_network_that_is_not_in_float32_is_not_exported(dtype, part, tmp_path):
    network = MobileNetV1(4, 0.25)
    (network if part == "whole" else network.get_submodule(part)).to(dtype)
    with pytest.raises(ValueError, match=rf"network must be in float32, .* has {dtype}"):
        deploy.export_onnx(network, tmp_path / "a.onnx", (3, 32, 32))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("size", "error", "sentence"),
    [
        ((32, 32), ValueError, r"input_size=\(32, 32\) must be \(channels, height, width\)"),
        ((1, 3, 32, 32), ValueError, r"must be \(channels, height, width\)"),
        (32, ValueError, r"input_size=32 must be \(channels, height, width\)"),
        ((3, 32, 32.0), TypeError, "input_size's width=32.0 must be an int"),
        ((3, 0, 32), ValueError, "input_size's height=0 must be at least 1"),
        ((1, 32, 32), ValueError, r"input_size=\(1, 32, 32\) must be a size that network takes \(.*3 channels"),
    ],
)
def test_a_size_that_the_network_does_not_take_is_not_exported(size, error, sentence, tmp_path):
    with pytest.raises(error, match=sentence):
        deploy.export_onnx(MobileNetV1(4, 0.25), tmp_path / "a.onnx", size)
    assert not list(tmp_path.iterdir())


def test_what_is_no_network_is_not_exported(tmp_path):
    with pytest.raises(TypeError, match=r"must be a built nn\.Module"):
        deploy.export_onnx(MobileNetV1, tmp_path / "a.onnx", (3, 32, 32))


def with_one(value):
    images = torch.zeros(2, 1, 32, 32)
    images[1, 0, 3, 4] = value
    return images


@pytest.mark.parametrize(
    ("images", "error", "sentence"),
    [
        (torch.zeros(0, 1, 32, 32), ValueError, r"shape \(0, 1, 32, 32\) and must have \(N, C, H, W\), with at least"),
        (torch.zeros(1, 32, 32), ValueError, r"shape \(1, 32, 32\) and must have \(N, C, H, W\)"),
        (torch.zeros(2, 3, 32, 32), ValueError, r"images of shape \(3, 32, 32\) must have the shape .* \(1, 32, 32\)"),
        (torch.zeros(2, 1, 16, 32), ValueError, r"images of shape \(1, 16, 32\) must have the shape"),
        (with_one(float("nan")), ValueError, "finite numbers only"),
        (with_one(-float("inf")), ValueError, "finite numbers only"),
        (torch.zeros(2, 1, 32, 32).half(), TypeError, r"tensor of float32, .* one of torch\.float16"),
        (torch.zeros(2, 1, 32, 32).double(), TypeError, r"tensor of float32, .* one of torch\.float64"),
        (torch.zeros(2, 1, 32, 32, dtype=torch.uint8), TypeError, r"tensor of float32, .* one of torch\.uint8"),
        ([], TypeError, "tensor of float32, .* one of list"),
    ],
)
def test_images_from_which_no_range_can_be_read_are_refused(images, error, sentence, exported, tmp_path):
    with pytest.raises(error, match=sentence):
        deploy.quantize_onnx(exported, tmp_path / "a.onnx", images, per_channel=True)
    assert not list(tmp_path.iterdir())


def changed(source, target, change):
    model = onnx.load(source)
    change(model)
    onnx.save(model, target)
    return target


def to_half(model):
    for weights in model.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT:
            numbers = onnx.numpy_helper.to_array(weights).astype("float16")
            weights.CopyFrom(onnx.numpy_helper.from_array(numbers, weights.name))


def to_nan(model):
    weights = next(weights for weights in model.graph.initializer if weights.data_type == onnx.TensorProto.FLOAT)
    numbers = np.full_like(onnx.numpy_helper.to_array(weights), np.nan)
    weights.CopyFrom(onnx.numpy_helper.from_array(numbers, weights.name))


def renamed(model):
    model.graph.input[0].name = "x"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [(to_half, "numbers in float32"), (to_nan, "has NaN or infinity"), (renamed, "must be a file of export_onnx")],
)
def test_a_file_that_cannot_be_quantised_is_refused(change, sentence, exported, data, tmp_path):
    source = changed(exported, tmp_path / "source.onnx", change)
    with pytest.raises(ValueError, match=rf"source\.onnx must .*{sentence}|{sentence}"):
        deploy.quantize_onnx(source, tmp_path / "a.onnx", data.validation.images, per_channel=True)
    assert [path.name for path in tmp_path.iterdir()] == ["source.onnx"]


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_file_that_is_quantised_already_is_refused(per_channel, integers, data, tmp_path):
    with pytest.raises(ValueError, match="must not be quantised already, and has DequantizeLinear, QuantizeLinear"):
        deploy.quantize_onnx(integers[per_channel], tmp_path / "a.onnx", data.validation.images, per_channel=True)
    assert not list(tmp_path.iterdir())


def test_a_file_whose_integers_an_optimiser_has_joined_is_refused_too(integers, data, tmp_path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "joined.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(str(integers[True]), options, providers=["CPUExecutionProvider"])
    with pytest.raises(ValueError, match=r"must not be quantised already, and has .*QLinearConv"):
        deploy.quantize_onnx(tmp_path / "joined.onnx", tmp_path / "a.onnx", data.test.images, per_channel=True)


@pytest.mark.parametrize("number", [0, 2, 5])
def test_the_first_layers_stay_in_float32_where_that_is_asked(exported, data, tmp_path, number):
    images = data.validation.images[:8]
    deploy.quantize_onnx(exported, tmp_path / "a.onnx", images, per_channel=True, float_layers=number)
    graph = onnx.load(tmp_path / "a.onnx").graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    integers = [made_by.get(node.input[1]) == "DequantizeLinear" for node in convolutions]
    assert integers == [False] * number + [True] * (27 - number)
    assert made_by["logits"] == ("Gemm" if number else "DequantizeLinear")


def test_what_is_no_onnx_file_is_refused(data, tmp_path):
    (tmp_path / "notes.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"notes\.onnx must be an ONNX file"):
        deploy.quantize_onnx(tmp_path / "notes.onnx", tmp_path / "a.onnx", data.test.images, per_channel=True)
    with pytest.raises(FileNotFoundError):
        deploy.quantize_onnx(tmp_path / "none.onnx", tmp_path / "a.onnx", data.test.images, per_channel=True)


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"per_channel": 1}, TypeError),
        ({"per_channel": True, "batch_size": 0}, ValueError),
        ({"per_channel": True, "float_layers": -1}, ValueError),
        ({"per_channel": True, "float_layers": True}, TypeError),
    ],
)
def test_an_option_of_another_kind_is_refused(option, error, exported, data, tmp_path):
    with pytest.raises(error, match=next(reversed(option))):
        deploy.quantize_onnx(exported, tmp_path / "a.onnx", data.test.images, **option)


def test_a_convolution_of_a_readers_own_class_is_exported_as_it_computes(tmp_path):
    network = lively(nn.Sequential(Scaled(3, 4, 3), Rectified(4), SameConv2d(4, 4, 3, 2), nn.BatchNorm2d(4)))
    images = torch.randn(3, 3, 17, 20)
    deploy.export_onnx(network, tmp_path / "a.onnx", (3, 17, 20))
    with torch.no_grad():
        torch.testing.assert_close(deploy.load_onnx(tmp_path / "a.onnx")(images), network(images), rtol=1e-4, atol=1e-4)
