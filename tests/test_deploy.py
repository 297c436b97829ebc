"""Folding, ONNX and 8-bit integers: nothing changes but what must."""

import importlib.util
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from mobilenet_edu import deploy, training
from mobilenet_edu.network import ConvMobileNet, MobileNetV1
from mobilenet_edu.weights import SameConv2d

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def with_statistics(network, seed=0):
    """Batch norms that scale and shift, each channel in its own way."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.running_mean.normal_(0, 0.1)
                norm.running_var.uniform_(0.5, 1.5)
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.normal_(0, 0.3)
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
    network = with_statistics(build(10, 0.25, bias=bias)).double()
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


def test_a_network_with_another_padding_is_not_folded_into_a_wrong_one():
    network = with_statistics(MobileNetV1(10, 0.25))
    network.stem.conv = SameConv2d(3, 8, 3, 2, bias=False)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(deploy.fold_batch_norms(network)(images), network(images), rtol=1e-4, atol=1e-5)


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


def test_a_network_in_training_mode_is_exported_in_evaluation_mode_and_stays_in_training(tmp_path, capfd):
    network = with_statistics(MobileNetV1(4, 0.25)).train()
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
