"""Layers that let a critic look at the batch as a whole."""

from __future__ import annotations

from ..arrays import Array, Rng, array_module
from ..expect import expect_shape
from ..numerics import sum_rows
from .base import Layer, Shape
from .shape import LinearMap


class MinibatchStd(Layer):
    r"""y = x with one more feature: how much the batch varies          (Karras et al. 2018, sec. 3)

    x (n, p)   y (n, p + 1)          x (n, h, w, c)   y (n, h, w, c + 1)

    A generator that makes the same image again and again is caught by it. For each of the F
    features (pixels and channels) of a sample the standard deviation over the batch,

        xc_ni = x_ni − Σ_k x_ki/n          sd_i = √(Σ_k xc_ki²/n + 1e-8)

    and f = Σ_i sd_i/F, one number, becomes the last channel of every pixel of every sample. Its
    cotangent df is the sum of all entries of dy's last channel, and

        ∂f/∂x_ni = xc_ni/(n F sd_i)          (the cache)

    for sd_i changes with xc_ni by xc_ni/(n sd_i), and the mean that xc loses sends nothing back
    since Σ_k xc_ki = 0. Neither J·v nor Jᵀ·dy asks for more than this gradient of f.

    Raises
    ------
    NotImplementedError
        From `jvp_backward`: a gradient penalty is defined for each sample by itself.
    """

    couples_samples = True

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Array]:
        """Return y and ∂f/∂x, which has the shape of x."""
        self.check_input(x)
        n = len(x)
        xc = x - sum_rows(x) / n
        sd = array_module(x).sqrt(sum_rows(xc * xc) / n + 1e-8)
        return self._append(x, sd.mean()), xc / (x.size * sd)  # n·F is the size of x

    def backward(self, dy: Array, cache: Array, grad: Array | None = None) -> Array:
        """Return dx: what x's own entries of dy say, and df·∂f/∂x."""
        expect_shape("dy", dy, (len(cache), *self.output_shape(cache.shape[1:])))
        df = dy[..., -1].sum()
        return dy[..., :-1] + df * cache

    def jvp(self, v: Array, cache: Array) -> Array:
        """Return t: v, and the number ⟨∂f/∂x, v⟩ in the last channel."""
        expect_shape("v", v, cache.shape)
        return self._append(v, (cache * v).sum())

    def jvp_backward(self, v: Array, dy: Array, cache: Array, grad: Array | None = None) -> Array:
        """Refuse."""
        raise NotImplementedError(
            "MinibatchStd() has no jvp_backward: a sample's y depends on the whole batch, and a "
            "gradient penalty is defined for each sample by itself; leave MinibatchStd out of a "
            "critic that is trained with a penalty"
        )

    def _append(self, x: Array, number: Array) -> Array:
        """Return x with `number` as the last channel throughout."""
        xp = array_module(x)
        return xp.concatenate([x, xp.broadcast_to(number, (*x.shape[:-1], 1))], axis=-1)

    def output_shape(self, in_shape: Shape) -> Shape:
        """`in_shape` with one more entry on its last axis."""
        return (*in_shape[:-1], in_shape[-1] + 1)


class Pack(LinearMap):
    r"""y = m samples side by side as one          x (n, …, c)   y (n/m, …, m·c)

    PacGAN (Lin et al. 2018): D judges m samples together, so it sees when they are all alike. It is
    the first layer of D, whose outputs are then one for each pack: sample i of pack j is sample
    j·m + i of the batch, and its features (channels) are the i-th c of the pack's m·c.

    Parameters
    ----------
    m
        Number of samples in a pack; the batch must be a multiple of it.

    Raises
    ------
    NotImplementedError
        From `jvp_backward`.
    """

    couples_samples = True

    def __init__(self, m: int) -> None:
        if m < 1:
            raise ValueError(f"Pack(m={m}): a pack holds at least 1 sample")
        self.m = m
        super().__init__()

    def apply(self, x: Array) -> Array:
        """Return the packs of x."""
        n, *places, c = x.shape
        if n % self.m:
            raise ValueError(f"{self!r}: a batch of {n} does not fill packs of {self.m}")
        packs = x.reshape(n // self.m, self.m, *places, c)
        return array_module(x).moveaxis(packs, 1, -2).reshape(n // self.m, *places, self.m * c)

    def adjoint(self, dy: Array, x_shape: Shape) -> Array:
        """Return dy with its packs opened."""
        n, *places, c = x_shape
        opened = dy.reshape(n // self.m, *places, self.m, c)
        return array_module(dy).moveaxis(opened, -2, 1).reshape(x_shape)

    def output_shape(self, in_shape: Shape) -> Shape:
        """Shape of one pack."""
        return (*in_shape[:-1], self.m * in_shape[-1])

    def _expect_cotangent(self, dy: Array, x_shape: Shape) -> None:
        expect_shape("dy", dy, (x_shape[0] // self.m, *self.output_shape(x_shape[1:])))

    def jvp_backward(self, v: Array, dy: Array, cache: Shape, grad: Array | None = None) -> Array:
        """Refuse."""
        raise NotImplementedError(
            f"{self!r} has no jvp_backward: D judges a pack as a whole, and a gradient penalty is "
            "defined for each sample by itself; leave Pack out of a critic that has a penalty"
        )
