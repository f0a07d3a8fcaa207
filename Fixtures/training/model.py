"""The fixture model: a small Llama (RMSNorm, RoPE, grouped-query attention, SwiGLU, tied embeddings)."""

from dataclasses import asdict, dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Config:
    vocab: int = 1536
    layers: int = 8
    width: int = 256
    heads: int = 8
    kv_heads: int = 4
    ffn: int = 512
    theta: float = 10000.0
    eps: float = 1e-5
    context: int = 2048

    @property
    def head_dim(self):
        return self.width // self.heads

    def as_dict(self):
        return asdict(self)


def angles(config, positions):
    """cos and sin for `positions` (any shape), each with a last axis of head_dim, in the half-split form."""
    d = config.head_dim
    inverse = 1.0 / (config.theta ** (torch.arange(0, d, 2, dtype=torch.float32) / d))
    a = positions.float().unsqueeze(-1) * inverse
    a = torch.cat([a, a], dim=-1)
    return a.cos(), a.sin()


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], dim=-1) * sin


class Norm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


@dataclass
class Span:
    """A document's place in a row: its context from `start` to `middle`, its questions up to `end`, and the additive
    mask of what these see (question tokens, all tokens of the document)."""
    start: int
    middle: int
    end: int
    seen: torch.Tensor


def attend_spans(q, k, v, spans):
    """Attention inside each document of a row; in a long row most of the score matrix would be masked."""
    parts = []
    for s in spans:
        a, b, c = s.start, s.middle, s.end
        parts.append(F.scaled_dot_product_attention(q[:, :, a:b], k[:, :, a:b], v[:, :, a:b], is_causal=True))
        if c > b:
            seen = s.seen.to(q.dtype)
            parts.append(F.scaled_dot_product_attention(q[:, :, b:c], k[:, :, a:c], v[:, :, a:c], attn_mask=seen))
    return torch.cat(parts, dim=2)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        d = c.head_dim
        self.attn_norm = Norm(c.width, c.eps)
        self.q = nn.Linear(c.width, c.heads * d, bias=False)
        self.k = nn.Linear(c.width, c.kv_heads * d, bias=False)
        self.v = nn.Linear(c.width, c.kv_heads * d, bias=False)
        self.o = nn.Linear(c.heads * d, c.width, bias=False)
        self.ffn_norm = Norm(c.width, c.eps)
        self.gate = nn.Linear(c.width, c.ffn, bias=False)
        self.up = nn.Linear(c.width, c.ffn, bias=False)
        self.down = nn.Linear(c.ffn, c.width, bias=False)

    def qkv(self, x):
        """Queries, keys (both before rotation) and values, as (batch, heads, tokens, head_dim)."""
        c = self.c
        h = self.attn_norm(x)
        b, s, _ = h.shape
        return (self.q(h).view(b, s, c.heads, c.head_dim).transpose(1, 2),
                self.k(h).view(b, s, c.kv_heads, c.head_dim).transpose(1, 2),
                self.v(h).view(b, s, c.kv_heads, c.head_dim).transpose(1, 2))

    def attend(self, x, q, k, v, mask):
        """The rest of the block for already rotated q and k; mask None means plainly causal, and a list of `Span` that
        only the tokens of one document see one another."""
        c = self.c
        b, _, s, d = q.shape
        k = k.repeat_interleave(c.heads // c.kv_heads, dim=1)
        v = v.repeat_interleave(c.heads // c.kv_heads, dim=1)
        if isinstance(mask, list):
            a = attend_spans(q, k, v, mask)
        elif self.training:     # on a CPU this is faster than the fused kernel's backward pass
            a = torch.softmax((q * d ** -0.5) @ k.transpose(-1, -2) + mask, dim=-1).to(v.dtype) @ v
        else:
            a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x = x + self.o(a.transpose(1, 2).reshape(b, s, -1))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))

    def forward(self, x, cos, sin, mask):
        q, k, v = self.qkv(x)
        q = rotate(q, cos, sin).to(v.dtype)
        k = rotate(k, cos, sin).to(v.dtype)
        return self.attend(x, q, k, v, mask)


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed = nn.Embedding(c.vocab, c.width)
        self.blocks = nn.ModuleList([Block(c) for _ in range(c.layers)])
        self.norm = Norm(c.width, c.eps)
        self.apply(self._init)
        for b in self.blocks:
            for m in (b.o, b.down):
                nn.init.normal_(m.weight, std=0.02 / (2 * c.layers) ** 0.5 * 2)

    @staticmethod
    def _init(m):
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, std=m.weight.shape[1] ** -0.5)
        elif isinstance(m, nn.Embedding):
            nn.init.normal_(m.weight, std=0.05)

    def forward(self, ids, positions, mask=None, taps=None):
        """Hidden states (batch, tokens, width) after the last norm; `taps` (a list) receives every block's output."""
        cos, sin = angles(self.c, positions)
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
        x = self.embed(ids)
        for b in self.blocks:
            x = b(x, cos, sin, mask)
            if taps is not None:
                taps.append(x)
        return self.norm(x)

    def logits(self, hidden):
        return F.linear(hidden, self.embed.weight)
