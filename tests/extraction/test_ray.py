"""Features on a Ray cluster: a real one of several nodes, all of them on 127.0.0.1.

The nodes, the connection and the workers are shared by the tests, since each of them takes seconds to start.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, filterfalse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wtalkit
from wtalkit.cli import main
from wtalkit.errors import ConfigError, MachineError
from wtalkit.extraction import VideoFeaturizer, ray_cluster, ray_engine
from wtalkit.extraction.engine import ClusterEngine, LocalEngine
from wtalkit.extraction.lanes import Begun, Done
from wtalkit.extraction.progress import Progress
from wtalkit.extraction.ray_cluster import Share
from wtalkit.extraction.ray_worker import FeatureOrder, cuda_device
from wtalkit.features import FeatureFile
from wtalkit.inputs import Failure, Input
from wtalkit.video import Limits

pytest.importorskip("ray", reason="needs the package ray")
pytestmark = [
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc"),
    # Ray keeps files and sockets of its own open until the process ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]

MakeVideo = Callable[..., Path]


@dataclass
class Nodes:
    """A cluster: a head without cores, and nodes of one core each."""

    cluster: Any
    models: Path

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, cpus: int = 1, models: Path | None = None) -> Any:
        return self.cluster.add_node(
            num_cpus=cpus,
            node_ip_address="127.0.0.1",
            object_store_memory=80 * 2**20,
            env_vars={"WTALKIT_MODELS": str(models or self.models), "OMP_NUM_THREADS": "1"},
        )


@pytest.fixture(scope="module")
def models(toy_models: Path) -> Path:
    return toy_models


@pytest.fixture(autouse=True)
def same_models_here(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WTALKIT_MODELS", str(models))


@pytest.fixture(scope="module")
def nodes(models: Path) -> Iterator[Nodes]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0, "node_ip_address": "127.0.0.1", "include_dashboard": False, "include_log_monitor": False,
            "no_monitor": True, "object_store_memory": 80 * 2**20,
            # A lost node is noticed after 3 s instead of 15.
            "_system_config": {"health_check_period_ms": 1000, "health_check_failure_threshold": 3},
        },
    )  # fmt: skip
    found = Nodes(cluster, models)
    try:
        found.add()
        found.add()
        yield found
    finally:
        started = [
            each.process.pid for node in cluster.list_all_nodes() for each in chain(*node.all_processes.values())
        ]
        workers = [pid for pid in processes("ray::") if parent_of(pid) in started]
        cluster.shutdown()
        wait_until(lambda: all(map(gone, started + workers)))


@pytest.fixture(scope="module")
def connected(nodes: Nodes, featurizer: VideoFeaturizer) -> Iterator[Nodes]:
    """The cluster, joined by its address. Engines of the tests find the connection there and leave it alone."""
    engine = ClusterEngine(featurizer, address=nodes.address, device="cpu", precision="auto", offline=True)
    yield nodes
    engine.close()


@pytest.fixture(scope="module")
def featurizer(models: Path) -> Iterator[VideoFeaturizer]:
    from wtalkit.backbones import load_backbone

    made = VideoFeaturizer(load_backbone("i3d-mini", flow="none", weights=models / "i3d-mini"), "none", workers=1)
    yield made
    made.close()


@pytest.fixture
def order(featurizer: VideoFeaturizer) -> FeatureOrder:
    return FeatureOrder(
        "i3d-mini", "none", featurizer.timeline.fps, featurizer.timeline.stride, "cpu", "auto", "error", True,
        Limits(), 60.0, featurizer.spec, wtalkit.__version__,
    )  # fmt: skip


@pytest.fixture
def engine(connected: Nodes, order: FeatureOrder) -> Iterator[ray_engine.RayEngine]:
    made = ray_engine.RayEngine(order, address=connected.address)
    yield made
    made.close()


def made_by(engine: ray_engine.RayEngine, videos: list[Input]) -> dict[str, FeatureFile | Failure]:
    events = engine.run(videos, lambda _: None, lambda _, made: made)
    return {event.video.key: event.result for event in events if isinstance(event, Done)}


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def processes(title: str) -> list[int]:
    """Those whose command line begins so; Ray writes into it what a worker is at."""
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and (each / "cmdline").read_bytes().decode(errors="replace").startswith(title):
                found.append(int(each.name))
        except OSError:
            continue
    return found


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def decoders_of(pid: int) -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        try:
            if (
                each.name.isdigit()
                and parent_of(int(each.name)) == pid
                and b"decoder_process" in (each / "cmdline").read_bytes()
            ):
                found.append(int(each.name))
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.01)
    return found


@contextmanager
def beside(action: Callable[[], None]) -> Generator[None, None, None]:
    """Do something while the block runs; what goes wrong with it is raised at the end."""
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if wrong:
        raise wrong[0]


def gone(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return True


# What needs no cluster, or finds none


def test_without_the_package_the_error_names_it(order: FeatureOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda _: None)
    with pytest.raises(MachineError, match=r"needs the package ray. pip install 'wtalkit\[ray\]'"):
        ray_engine.RayEngine(order)


@pytest.mark.parametrize("address", ["", "nonsense", "ray://127.0.0.1:10001", "host:", "a b:1"])
def test_what_is_no_address_is_a_usage_error(order: FeatureOrder, address: str) -> None:
    with pytest.raises(ConfigError, match="not the address of a Ray cluster"):
        ray_engine.RayEngine(order, address=address)


def test_a_device_of_this_machine_is_none_of_a_cluster(order: FeatureOrder) -> None:
    with pytest.raises(ConfigError, match="cuda:1"):
        ray_engine.RayEngine(replace(order, device="cuda:1"))


@pytest.mark.parametrize("port", [1, 99999])
def test_a_cluster_that_is_not_there_is_told_at_once(order: FeatureOrder, port: int) -> None:
    started = time.monotonic()
    with pytest.raises(MachineError, match=rf"the Ray cluster at 127\.0\.0\.1:{port} cannot be reached"):
        ray_engine.RayEngine(order, address=f"127.0.0.1:{port}")
    assert time.monotonic() - started < 10


def test_without_a_cluster_the_exit_code_is_that_of_the_machine(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    make_video("a.mp4", frames=16)
    command = ["extract", "a.mp4", "--out", "feats", "--backbone", "i3d-mini", "--flow", "none", "--engine", "ray"]
    assert main([*command, "--address", "127.0.0.1:1"]) == 3
    assert "127.0.0.1:1 " in capsys.readouterr().err
    assert main([*command, "--address", "nonsense"]) == 2


def test_a_port_that_is_not_a_clusters_is_given_up_in_the_end() -> None:
    script = (
        "import sys; from wtalkit.extraction import ray_cluster; from wtalkit.errors import MachineError\n"
        "ray_cluster._CONNECT_S = 2.0\n"
        "try: ray_cluster.Cluster(sys.argv[1])\n"
        "except MachineError as error: print(error); sys.exit(3)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        ended = subprocess.run([sys.executable, "-c", script, address], capture_output=True, text=True, timeout=40)
    assert (ended.returncode, "no answer for 2 s" in ended.stdout) == (3, True), ended


def test_an_order_survives_the_journey(order: FeatureOrder) -> None:
    assert FeatureOrder.from_json(order.to_json()) == order


@pytest.mark.parametrize(
    ("share", "node", "slots"),
    [
        (Share(1, 0), {"CPU": 4.0}, 4),
        (Share(3, 0), {"CPU": 8.0, "GPU": 1.0}, 2),
        (Share(2, 0.25), {"CPU": 16.0, "GPU": 1.0}, 4),
        (Share(2, 0.25), {"CPU": 16.0, "GPU": 4.0}, 8),
        (Share(2, 0.25), {"CPU": 16.0}, 0),
        (Share(1, 0), {}, 0),
    ],
)
def test_slots_of_a_node(share: Share, node: dict[str, float], slots: int) -> None:
    assert share.slots(node) == slots


@pytest.mark.parametrize(
    ("lent", "visible", "device"),
    [([1], None, "cuda:1"), (["3"], "2,3", "cuda:1"), (["GPU-b"], "GPU-a, GPU-b", "cuda:1"), ([], None, "cuda")],
)
def test_a_lent_gpu_is_found_among_the_visible_ones(lent: list[Any], visible: str | None, device: str) -> None:
    assert cuda_device(lent, visible) == device


# On the cluster


def test_files_are_those_of_the_local_engine_to_the_byte(
    connected: Nodes, make_video: MakeVideo, tmp_path: Path
) -> None:
    make_video("videos/a/x.mp4", frames=20)
    make_video("videos/b/x.mp4", frames=30)
    make_video("videos/short.mp4", frames=7)
    whole = make_video("videos/cut.mp4", frames=40).read_bytes()
    (tmp_path / "videos" / "cut.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    (tmp_path / "videos" / "text.mp4").write_text("no video at all")
    inputs = [tmp_path / "videos", tmp_path / "missing.mp4"]
    options: dict[str, Any] = {"backbone": "i3d-mini", "flow": "dis", "workers": 1, "device": "cpu"}

    here = wtalkit.extract(inputs, tmp_path / "here", **options)
    seen: list[Progress] = []
    there = wtalkit.extract(
        inputs, tmp_path / "there", **options, engine="ray", address=connected.address, progress=seen.append
    )
    assert bytes_of(tmp_path / "there") == bytes_of(tmp_path / "here")
    assert len(there.failed) == 4
    assert replace(there, out=here.out) == here
    assert {(each.key, each.frames, each.finished) for each in seen} == {("a/x", 20, True), ("b/x", 30, True)}

    again = wtalkit.extract(inputs, tmp_path / "there", **options, engine="ray", address=connected.address)
    assert (again.done, again.skipped) == ((), there.done)


def test_features_arrive_in_memory_of_our_own(engine: ray_engine.RayEngine, make_video: MakeVideo) -> None:
    made = made_by(engine, [Input("a", make_video("a.mp4", frames=20))])["a"]
    assert isinstance(made, FeatureFile)
    assert made.array.flags.writeable  # what lies in the object store is not


def test_only_a_few_videos_are_on_their_way_at_once(engine: ray_engine.RayEngine, make_video: MakeVideo) -> None:
    path = make_video("a.mp4", frames=16)
    begun: list[str] = []
    ended: list[str] = []
    most = 0

    def begin(video: Input) -> str | None:
        nonlocal most
        if video.key == "known":
            return "skipped"
        begun.append(video.key)
        most = max(most, len(begun) - len(ended))
        return None

    def end(video: Input, made: FeatureFile | Failure) -> str:
        ended.append(video.key)
        return "done" if isinstance(made, FeatureFile) else made.cause

    keys = [*(f"v{number}" for number in range(12)), "known"]
    events = list(engine.run([Input(key, path) for key in keys], begin, end))
    assert most == 2 + 2  # a core each, and a few that wait
    assert sorted(ended) == sorted(begun) == sorted(keys[:-1])
    assert [event.video.key for event in events if isinstance(event, Begun)] == keys
    outcomes = {event.video.key: event.result for event in events if isinstance(event, Done)}
    assert outcomes == {**dict.fromkeys(keys[:-1], "done"), "known": "skipped"}


def test_a_file_that_only_this_machine_can_read_is_named_as_such(
    engine: ray_engine.RayEngine, make_video: MakeVideo
) -> None:
    with make_video("a.mp4", frames=16).open("rb") as opened:
        handle = fcntl.fcntl(opened, fcntl.F_DUPFD, 900)  # of this process alone; workers have no such number
        path = Path(f"/proc/self/fd/{handle}")
        try:
            made = made_by(engine, [Input("a", path)])["a"]
        finally:
            os.close(handle)
    assert isinstance(made, Failure)
    assert made.path == str(path)
    assert made.cause.endswith("cannot read it. Every node needs it under the same path")
    assert made.cause.startswith("node ")


def test_a_killed_worker_costs_a_second_try(
    engine: ray_engine.RayEngine, featurizer: VideoFeaturizer, make_video: MakeVideo
) -> None:
    videos = [Input(key, make_video(f"{key}.mp4", frames=40)) for key in ("first", "victim")]
    left: list[int] = []

    def kill() -> None:
        def at_work() -> tuple[int, list[int]] | None:
            found = [(worker, decoders_of(worker)) for worker in processes("ray::wtalkit victim")]
            return next((each for each in found if each[1]), None)

        worker, decoders = wait_until(at_work, 180)
        left.extend(decoders)
        os.kill(worker, signal.SIGKILL)

    with beside(kill):
        made = made_by(engine, videos)
    here = LocalEngine(featurizer).features(videos)
    wanted = {event.video.key: event.result for event in here if isinstance(event, Done)}
    for key, found in made.items():
        assert isinstance(found, FeatureFile), found
        np.testing.assert_array_equal(found.array, wanted[key].array)
        assert found.record == wanted[key].record
    assert left
    wait_until(lambda: all(map(gone, left)), 5)


def test_a_video_that_takes_every_worker_along_fails_alone(
    engine: ray_engine.RayEngine, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "_PAUSE_S", 0.05)
    videos = [Input(key, make_video(f"{key}.mp4", frames=40)) for key in ("poison", "good", "better")]
    over = threading.Event()
    killed: set[int] = set()

    def kill() -> None:
        while not over.wait(0.01):
            for worker in processes("ray::wtalkit poison"):
                os.kill(worker, signal.SIGKILL)
                killed.add(worker)

    with beside(kill):
        try:
            made = made_by(engine, videos)
        finally:
            over.set()
    poison = made.pop("poison")
    assert isinstance(poison, Failure)
    assert poison.cause == "the worker died 4 times (last: its process was killed or crashed)"
    assert len(killed) == 4
    assert all(isinstance(each, FeatureFile) for each in made.values())
    assert made.keys() == {"good", "better"}


def test_a_node_that_is_lost_costs_nothing(
    connected: Nodes, make_video: MakeVideo, tmp_path: Path, capsys: Any, caplog: Any
) -> None:
    caplog.set_level("INFO", "wtalkit")
    for number in range(6):
        make_video(f"videos/v{number}.mp4", frames=40)
    options: dict[str, Any] = {"backbone": "i3d-mini", "flow": "none", "workers": 1, "device": "cpu"}
    wtalkit.extract(tmp_path / "videos", tmp_path / "here", **options)
    left: list[int] = []

    def kill() -> None:
        def at_work() -> tuple[Any, list[int]] | None:
            for worker in filterfalse(gone, processes("ray::wtalkit v")):
                for node in connected.cluster.worker_nodes:
                    raylet = node.all_processes["raylet"][0].process.pid
                    if parent_of(worker) == raylet and (decoders := decoders_of(worker)):
                        return node, decoders
            return None

        node, decoders = wait_until(at_work, 180)
        left.extend(decoders)
        connected.cluster.remove_node(node, allow_graceful=False)

    with beside(kill):
        result = wtalkit.extract(
            tmp_path / "videos", tmp_path / "there", **options, engine="ray", address=connected.address
        )
    assert len(result.done) == 6
    assert bytes_of(tmp_path / "there") == bytes_of(tmp_path / "here")
    wait_until(lambda: all(map(gone, left)), 5)
    wait_until(lambda: "marked dead" in caplog.text)
    assert capsys.readouterr().out == ""  # by itself Ray prints it there, into the document of detect --json


@pytest.mark.exhaustive
def test_the_work_goes_on_when_the_last_node_is_replaced(
    connected: Nodes, order: FeatureOrder, make_video: MakeVideo
) -> None:
    videos = [Input(key, make_video(f"{key}.mp4", frames=40)) for key in ("u", "v")]
    nodes = [connected.add(cpus=3)]

    def begin(video: Input) -> None:
        if video.key == "v":
            wait_until(lambda: processes("ray::wtalkit u"), 180)
            connected.cluster.remove_node(nodes.pop(), allow_graceful=False)
            nodes.append(connected.add(cpus=3))

    try:
        events = list(ray_engine.RayEngine(order, cores=3).run(videos, begin, lambda _, made: made))
        made = [event.result for event in events if isinstance(event, Done)]
        assert [type(each) for each in made] == [FeatureFile, FeatureFile]
    finally:
        connected.cluster.remove_node(nodes.pop(), allow_graceful=False)


def test_a_cluster_without_a_large_enough_node_is_given_up(
    connected: Nodes, order: FeatureOrder, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "_WITHOUT_NODES_S", 1.0)
    monkeypatch.setattr(ray_cluster, "_REFRESH_S", 0.5)
    large = connected.add(cpus=3)
    engine = ray_engine.RayEngine(order, cores=3)
    connected.cluster.remove_node(large, allow_graceful=False)
    with pytest.raises(MachineError, match="no node of the Ray cluster has 3 cores"):
        made_by(engine, [Input("a", make_video("a.mp4", frames=20))])


def test_a_node_with_other_weights_or_another_version_is_refused(
    connected: Nodes, order: FeatureOrder, models: Path, make_video: MakeVideo, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(models, tmp_path / "models")
    weights = tmp_path / "models" / "i3d-mini" / "rgb.safetensors"
    save_file({name: value + 1 for name, value in load_file(weights).items()}, weights)
    video = Input("a", make_video("a.mp4", frames=20))
    odd = connected.add(cpus=3, models=tmp_path / "models")
    try:
        with pytest.raises(MachineError, match=r"node .*\(127.0.0.1\): would make other features .*weights_hash"):
            made_by(ray_engine.RayEngine(order, address="auto", cores=3), [video])  # there, it fits nowhere else
        with pytest.raises(MachineError, match=rf"node .* has wtalkit {wtalkit.__version__}, .* has 0.0.0"):
            made_by(ray_engine.RayEngine(replace(order, version="0.0.0"), cores=3), [video])
    finally:
        connected.cluster.remove_node(odd, allow_graceful=False)


def test_what_no_node_can_do_is_told_before_work_begins(connected: Nodes, order: FeatureOrder) -> None:
    with pytest.raises(MachineError, match=r"no node of the Ray cluster has 64 cores .*the largest has \d"):
        ray_engine.RayEngine(order, cores=64)
    with pytest.raises(MachineError, match="has a GPU"):
        ray_engine.RayEngine(replace(order, device="cuda"))


def test_another_cluster_than_the_programs_is_refused(connected: Nodes, order: FeatureOrder) -> None:
    with pytest.raises(MachineError, match=r"is connected to the Ray cluster at 127\.0\.0\.1"):
        ray_engine.RayEngine(order, address="127.0.0.1:1")


# On the command line


def test_detect_answers_the_same(
    connected: Nodes, toy_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.mp4").write_text("no video at all")
    command = ["detect", *(str(toy_videos / f"{name}.mp4") for name in "ab"), "broken.mp4", "--json", "--device", "cpu"]
    answers = []
    for engine in ([], ["--engine", "ray", "--address", connected.address]):
        assert main([*command, *engine]) == 1
        said = capsys.readouterr()
        assert said.out.startswith("{"), said
        answers.append(json.loads(said.out))
    assert answers[0] == answers[1]
    assert answers[0]["results"].keys() == {"a", "b"}


def test_ctrl_c_ends_the_tasks_and_keeps_what_is_done(connected: Nodes, make_video: MakeVideo, tmp_path: Path) -> None:
    for number in range(8):
        make_video(f"videos/v{number}.mp4", frames=30)
    command = [sys.executable, "-m", "wtalkit", "extract", "videos", "--out", "feats", "--backbone", "i3d-mini",
               "--flow", "dis", "--engine", "ray", "--address", connected.address]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
        try:
            wait_until(lambda: list((tmp_path / "feats").glob("v*.json")), 180)
            workers = wait_until(lambda: processes("ray::wtalkit v"))
            running.send_signal(signal.SIGINT)
            started = time.monotonic()
            _, said = running.communicate(timeout=30)
            assert time.monotonic() - started < 5
        finally:
            running.kill()
    assert running.returncode == 130, said
    assert "stopped: " in said
    wait_until(lambda: all(map(gone, workers)), 5)
    left = {path.name for path in (tmp_path / "feats").iterdir() if path.suffix not in (".npy", ".json")}
    assert left <= {"status.jsonl"}


@pytest.mark.exhaustive
def test_a_cluster_of_this_machine_alone_is_closed_to_others_and_ends(make_video: MakeVideo, tmp_path: Path) -> None:
    for number in range(4):
        make_video(f"videos/v{number}.mp4", frames=20)
    command = [sys.executable, "-m", "wtalkit", "extract", "videos", "--out", "feats", "--backbone", "i3d-mini",
               "--flow", "none", "--engine", "ray", "--shard", "1/2"]  # fmt: skip
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home)}
    before = set(processes("ray::"))
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment) as running:
        try:
            mine = wait_until(lambda: set(processes("ray::wtalkit")) - before, 180)
            _, said = running.communicate(timeout=120)
        finally:
            running.kill()
    assert running.returncode == 0, said
    assert "Ray's" not in said and "ray." not in said, said
    assert sorted(path.name for path in (tmp_path / "feats").glob("*.npy")) == ["v0.npy", "v2.npy"]
    assert list(home.iterdir()) == []
    wait_until(lambda: all(map(gone, mine)), 5)
