"""The losses of ACRNet, CO2-Net and DELU the slow way: one video, one class, one pair, one rank after the other.

Written from the papers and what is known of the authors' codes, apart from :mod:`wtalkit.methods`, so that the two
check each other: the tests hold them equal, ``wtalkit bench training`` measures one against the other. Where a walk
over ranks only takes decisions it uses Python's own numbers, which is kinder to the loops than tensors of one element.

Every function takes what the network gives (:class:`Heads`), looks at each video's real snippets alone, and gives the
unweighted terms under the names the methods use.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wtalkit.methods.acrnet import ACRNetOptions
from wtalkit.methods.co2net import CO2NetOptions
from wtalkit.methods.delu import DELUOptions

Terms = dict[str, Tensor]


class Heads(NamedTuple):
    """What a network gives and its losses take.

    Attributes:
        cas: (B, T, N) class logits; N is C for ACRNet and C + 1 for the others.
        rgb: (B, T) attention of the RGB stream.
        flow: (B, T) attention of the flow stream.
        feat: (B, T, E) what the classifier saw.
    """

    cas: Tensor
    rgb: Tensor
    flow: Tensor
    feat: Tensor

    def video(self, row: int, length: int) -> Heads:
        """One video's real snippets, (T_i, ...)."""
        return Heads(*(x[row, :length] for x in self))


class Targets(NamedTuple):
    """What the losses are told.

    Attributes:
        lengths: real snippets of each video.
        labels: (B, C) multi-hot.
        pairs: rows that share a class.
        done: share of the training that is over, 0 to 1.
    """

    lengths: Sequence[int]
    labels: Tensor
    pairs: Sequence[tuple[int, int]] = ()
    done: float = 0.0


def acrnet(heads: Heads, targets: Targets, options: ACRNetOptions) -> Terms:
    """Clustering, refining and the three losses of ACRNet."""
    found, empty, rgb, flow = [], [], [], []
    for row, length in enumerate(targets.lengths):
        video, labels = heads.video(row, length), targets.labels[row]
        scores = (torch.softmax(video.cas, dim=-1) + ((video.rgb + video.flow) / 2)[:, None]) / 2
        action, background, foreground = [], [], torch.zeros_like(video.rgb)
        for label in range(len(labels)):
            chosen = _action_snippets(scores[:, label].tolist(), video.cas[:, label].tolist())
            taken = set(chosen)
            rest = [snippet for snippet in range(length) if snippet not in taken]
            weights = video.cas.new_tensor([1 / (rank + 2) for rank in range(len(chosen))])
            action.append((video.cas[chosen, label] * weights).sum() / max(float(weights.sum()), 1.0))
            background.append(video.cas[rest, label].sum() / max(len(rest), 1))
            if labels[label]:
                foreground[chosen] = 1
        act, bkg = torch.softmax(torch.stack(action), dim=0), torch.softmax(torch.stack(background), dim=0)
        shares = [-act[label].clamp(min=1e-8).log() for label in range(len(labels)) if labels[label]]
        found.append(sum(shares, act.new_zeros(())) / max(len(shares), 1))
        empty += [-(1 - bkg[label]).clamp(min=1e-8).log() for label in range(len(labels))]
        rgb.append(_generalised_cross_entropy(video.rgb, foreground, options.q))
        flow.append(_generalised_cross_entropy(video.flow, foreground, options.q))
    return {"cas": _mean(found) + _mean(empty), "aas_rgb": _mean(rgb), "aas_flow": _mean(flow)}


def co2net(heads: Heads, targets: Targets, options: CO2NetOptions) -> Terms:
    """The six losses of CO2-Net."""
    terms: dict[str, list[Tensor]] = {name: [] for name in ("mil_orig", "mil_supp", "mutual", "norm", "guide")}
    pulled: list[Tensor] = []
    for row, length in enumerate(targets.lengths):
        video, labels = heads.video(row, length), targets.labels[row].tolist()
        pulled.append(_suppress(video))
        terms["mil_orig"].append(_multiple_instance(video.cas, [*labels, 1.0], options.k))
        terms["mil_supp"].append(_multiple_instance(pulled[row], [*labels, 0.0], options.k))
        terms["mutual"].append(
            (F.mse_loss(video.rgb, video.flow.detach()) + F.mse_loss(video.flow, video.rgb.detach())) / 2
        )
        terms["norm"].append(_mean([attention.mean() for attention in _attentions(video)]))
        terms["guide"].append(_mean([distance.mean() for distance in _guide_distances(video)]))
    means = {name: _mean(values) for name, values in terms.items()}
    return {**means, "contrastive": _contrastive(heads, pulled, targets, options.margin)}


def delu(heads: Heads, targets: Targets, options: DELUOptions) -> Terms:
    """CO2-Net's losses and the two evidential ones."""
    video_level, snippet_level = [], []
    for row, length in enumerate(targets.lengths):
        video, labels = heads.video(row, length), targets.labels[row]
        pulled = _suppress(video)
        order = _descending(((video.rgb + video.flow) / 2).tolist())
        best = order[: max(1, length // options.edl_share)]
        logits = [pulled[best, label].mean() for label in range(len(labels))]
        video_level.append(_evidential(logits, labels.tolist(), options.evidence))
        weights = _guide_weights(pulled, targets.done, options)
        distances = _guide_distances(video)
        weighted = [weights[t] * (distances[0][t] + distances[1][t] + distances[2][t]) / 3 for t in range(length)]
        snippet_level.append(_mean(weighted))
    return {**co2net(heads, targets, options), "edl": _mean(video_level), "uct": _mean(snippet_level)}


def _action_snippets(scores: list[float], cas: list[float]) -> list[int]:
    """Snippets of one class that clustering and refining leave, best first (ACRNet, ``model.py``)."""
    order = _descending(scores)
    positive = _cluster([scores[snippet] for snippet in order])
    weights = [1 / (rank + 2) for rank in range(len(positive))]
    reference = sum(w * cas[order[rank]] for w, rank in zip(weights, positive, strict=True)) / max(sum(weights), 1.0)
    total, above = 0.0, 0
    for count, rank in enumerate(positive, start=1):
        total += cas[order[rank]]
        above += total / count >= reference
    level = scores[order[positive[above - 1]]]  # with none above, the index is -1: the lowest of the positives
    return [order[rank] for rank in positive if scores[order[rank]] >= level]


def _cluster(ranked: list[float]) -> list[int]:
    """Ranks nearer to the positive centre than to the negative one, walking from the highest score down."""
    positive, total, weight = [0], ranked[0], 1.0
    low_total, low_count = ranked[-1], 1
    for rank in range(1, len(ranked) - 1):
        score = ranked[rank]
        if abs(score - total / weight) <= abs(score - low_total / low_count):
            positive.append(rank)
            total, weight = total + score / (rank + 1), weight + 1 / (rank + 1)
        else:
            low_total, low_count = low_total + score, low_count + 1
    return positive


def _generalised_cross_entropy(attention: Tensor, target: Tensor, q: float) -> Tensor:
    on, off = attention[target == 1], attention[target == 0]
    loss = ((1 - on.clamp(min=1e-8) ** q) / q).sum() / max(len(on), 1)
    return loss + ((1 - (1 - off).clamp(min=1e-8) ** q) / q).sum() / max(len(off), 1)


def _suppress(video: Heads) -> Tensor:
    """Attention-suppressed logits (T_i, C + 1), snippet by snippet."""
    attention = (video.rgb + video.flow) / 2
    rows = []
    for logits, weight in zip(video.cas, attention, strict=True):
        least = logits.min()
        rows.append(weight * (logits - least) + least)
    return torch.stack(rows)


def _multiple_instance(logits: Tensor, targets: list[float], share: int) -> Tensor:
    """Cross-entropy of the mean of each class's best snippets."""
    count = max(1, len(logits) // share)
    best = torch.stack([logits[:, label].topk(count).values.mean() for label in range(len(targets))])
    probabilities = torch.log_softmax(best, dim=0)
    loss = logits.new_zeros(())
    for label, target in enumerate(targets):
        loss = loss - target / (sum(targets) + 1e-4) * probabilities[label]
    return loss


def _contrastive(heads: Heads, pulled: list[Tensor], targets: Targets, margin: float) -> Tensor:
    """Co-activity loss: pair by pair, and in a pair one shared class after the other."""
    hinges = []
    for one, other in targets.pairs:
        for label in range(targets.labels.shape[1]):
            if not targets.labels[one, label] or not targets.labels[other, label]:
                continue
            high_1, low_1 = _class_features(heads.feat[one, : targets.lengths[one]], pulled[one][:, label])
            high_2, low_2 = _class_features(heads.feat[other, : targets.lengths[other]], pulled[other][:, label])
            near = _distance(high_1, high_2)
            hinges.append(torch.relu(near - _distance(high_1, low_2) + margin) / 2)
            hinges.append(torch.relu(near - _distance(high_2, low_1) + margin) / 2)
    return sum(hinges, heads.feat.new_zeros(())) / max(len(hinges) / 2, 1)


def _class_features(feat: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    shows = torch.softmax(logits, dim=0)[:, None]  # (T_i, 1), over time
    return (feat * shows).sum(dim=0), (feat * (1 - shows)).sum(dim=0) / max(len(feat) - 1, 1)


def _distance(one: Tensor, other: Tensor) -> Tensor:
    return 1 - F.cosine_similarity(one, other, dim=0)


def _attentions(video: Heads) -> tuple[Tensor, Tensor, Tensor]:
    return (video.rgb + video.flow) / 2, video.rgb, video.flow


def _guide_distances(video: Heads) -> list[Tensor]:
    background = torch.softmax(video.cas, dim=-1)[:, -1]
    return [(1 - attention - background).abs() for attention in _attentions(video)]


def _evidential(logits: list[Tensor], labels: list[float], evidence: str) -> Tensor:
    """Video-level loss on one video's logits, class by class."""
    if evidence == "exp":
        alphas = [logit.clamp(-10, 10).exp() + 1 for logit in logits]
    else:
        alphas = [torch.relu(logit) + 1 for logit in logits]
    total = torch.stack(alphas).sum()
    loss = total.new_zeros(())
    if evidence != "exp":
        for alpha, label in zip(alphas, labels, strict=True):
            loss = loss + (label - alpha / total) ** 2
        return loss
    sure = 1 - len(labels) / total.detach()
    inverse = sum(label / alpha for alpha, label in zip(alphas, labels, strict=True))
    for alpha, label in zip(alphas, labels, strict=True):
        if label:
            loss = loss + sure * sum(labels) * (label / alpha) / inverse * (total.log() - alpha.log())
    return loss


def _guide_weights(pulled: Tensor, done: float, options: DELUOptions) -> list[float]:
    """Weight of each snippet of one video, by the order of its uncertainty."""
    length, classes = pulled.shape[0], pulled.shape[1] - 1
    uncertainty = [
        classes / sum(math.exp(min(max(logit, -10.0), 10.0)) + 1 for logit in row) for row in pulled.tolist()
    ]
    order = sorted(range(length), key=lambda snippet: uncertainty[snippet])
    curve = [
        options.uct_amplitude * math.tanh((2 * (place + 0.5) / length - 1) * (1 - 2 * done)) + 1
        for place in range(length)
    ]
    if options.uct_order == "official":
        return [curve[snippet] for snippet in order]
    weights = [0.0] * length
    for place, snippet in enumerate(reversed(order)):  # the surest has the last place
        weights[snippet] = curve[place]
    return weights


def _descending(values: list[float]) -> list[int]:
    """Indices from the highest value to the lowest; equal values keep their order."""
    return sorted(range(len(values)), key=lambda index: -values[index])


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(tuple(values)).mean()
