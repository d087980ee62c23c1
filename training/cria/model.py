"""The transformer, in the shape that llama.cpp calls `llama`."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The sizes that make a model."""

    vocabulary: int = 2048
    width: int = 192
    layers: int = 6
    heads: int = 3
    hidden: int = 512
    context: int = 2048
    rope_base: float = 100_000.0
    epsilon: float = 1e-5

    @property
    def head(self) -> int:
        """The width of one attention head."""
        return self.width // self.heads


class Norm(nn.Module):
    """Root-mean-square normalisation."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape.width))
        self.epsilon = shape.epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Scale each vector to unit size."""
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon) * self.weight


class Block(nn.Module):
    """Attention and a gated feed-forward layer, each behind a norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, hidden = shape.width, shape.hidden
        self.heads, self.head = shape.heads, shape.head
        self.attention_norm, self.feed_norm = Norm(shape), Norm(shape)
        self.query, self.key, self.value, self.output = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.gate, self.up = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Add what attention and the feed-forward layer find to `x`."""
        rows, length, width = x.shape

        def split(vectors: Tensor) -> Tensor:
            return vectors.view(rows, length, self.heads, self.head).transpose(1, 2)

        def turn(vectors: Tensor) -> Tensor:
            left, right = split(vectors).chunk(2, -1)
            turned = torch.cat((left * cosine - right * sine, right * cosine + left * sine), -1)
            return turned.to(vectors.dtype)

        y = self.attention_norm(x)
        attended = functional.scaled_dot_product_attention(
            turn(self.query(y)), turn(self.key(y)), split(self.value(y)), is_causal=True
        )
        x = x + self.output(attended.transpose(1, 2).reshape(rows, length, width))
        y = self.feed_norm(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))


class Cria(nn.Module):
    """Tokens in, scores of the next token out; the embedding is the output matrix too."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape)
        for name, parameter in self.named_parameters():
            if name.endswith(("output.weight", "down.weight")):
                nn.init.zeros_(parameter)
            elif parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.15 if "embedding" in name else 0.04)
        steps = torch.arange(0, shape.head, 2) / shape.head
        angles = torch.outer(torch.arange(shape.context), shape.rope_base**-steps)
        self.register_buffer("cosine", angles.cos(), persistent=False)
        self.register_buffer("sine", angles.sin(), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Scores for each position."""
        x = self.embedding(ids)
        length = ids.shape[1]
        for block in self.blocks:
            x = block(x, self.cosine[:length], self.sine[:length])
        return functional.linear(self.norm(x), self.embedding.weight)

    def loss(self, ids: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """The sum of the weighted cross-entropies."""
        scores = self(ids).float().flatten(0, 1)
        each = functional.cross_entropy(scores, targets.flatten(), reduction="none")
        return (each * weights.flatten()).sum()
