"""Which kernels this process computes with: on processors of other kinds the last bits of a sum or a logarithm differ.

OpenBLAS, numpy and torch choose kernels for the processor when they are loaded. The *numerics class* says which they
chose. Results of one class are the same to the last bit; it is part of every result's key, so classes never mix.
"""

import os
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Literal

from quantray.errors import InputError

__all__ = [
    "NOT_COMPARABLE",
    "Numerics",
    "NumericsClass",
    "blas_versions",
    "fixed_variables",
    "numerics_class",
    "portable_variables",
    "require_numerics",
    "restart_portable",
]

Numerics = Literal["native", "portable", "any"]
"""Whose kernels a study takes: ``native`` those of the driver's processor, which workers must have too; ``portable``
those of AVX2 on every machine, slower where there is AVX-512; ``any`` each machine's own, with digests that are not
comparable."""

NOT_COMPARABLE = "numerics any: machines of several kinds may have computed this; its digest is not comparable."
"""What a run with numerics ``any`` says of itself."""


@dataclass(frozen=True)
class NumericsClass:
    """The kernels that decide the last bits; reads as ``SkylakeX, AVX512, torch AVX512``."""

    blas: str
    """OpenBLAS's kernels, of numpy and, where they differ, of scipy."""
    simd: str
    """Vector instructions of numpy's own loops, such as ``exp``."""
    torch: str = ""
    """Of torch and the libraries that it brings; empty where it is not used."""

    def __str__(self) -> str:
        return f"{self.blas}, {self.simd}" + (f", torch {self.torch}" if self.torch else "")


_PORTABLE = NumericsClass("Haswell", "AVX2", "AVX2, MKL AVX2, oneDNN AVX2")


@cache
def numerics_class(*, torch: bool = False) -> NumericsClass:
    """The class of this process; what is loaded decides, not what the processor could do.

    Parameters
    ----------
    torch : whether torch computes too; it is loaded only then.
    """
    from numpy.lib import introspect  # noqa: PLC0415  (a program that starts again should not load it twice)

    loops = introspect.opt_func_info(func_name="^exp$", signature="float64")
    target = str(loops["exp"]["dd"]["current"])
    simd = next((name for name, words in _SIMD.items() if any(word in target for word in words)), target)
    kernels = list(dict.fromkeys(kernel for kernel, _ in _blas()))
    return NumericsClass(" and ".join(kernels), simd, _torch() if torch else "")


@cache
def blas_versions() -> str:
    """Releases of the BLAS libraries that numpy and scipy load."""
    return " and ".join(dict.fromkeys(release for _, release in _blas()))


def require_numerics(numerics: Numerics, *, torch: bool = False) -> None:
    """Refuse portable numerics in a process whose kernels are not fixed, or in no x86-64 processor with AVX2.

    Raises
    ------
    InputError
        The process has loaded other kernels.
    """
    here = numerics_class(torch=torch)
    wanted = _PORTABLE if torch else NumericsClass(_PORTABLE.blas, _PORTABLE.simd)
    # Which maker's processor torch runs on follows the kernels, and is for the comparison of machines.
    if numerics == "portable" and not str(here).startswith(str(wanted)):
        words = " ".join(f"{name}='{value}'" for name, value in portable_variables().items())
        raise InputError(
            f"numerics portable means {wanted}, and this process computes with {here}; start it with the quantray "
            f"command or a workflow, or set before Python starts, on x86-64 with AVX2: {words}"
        )


def portable_variables() -> dict[str, str]:
    """Variables that fix AVX2 kernels; each is read once, when its library is loaded."""
    # From numpy 2.4 on, features that come together are switched off together, by the name of their level.
    recent = tuple(int(part) for part in version("numpy").split(".")[:2]) >= (2, 4)
    above = "X86_V4" if recent else "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL"
    return {
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": f"{above} AVX512_ICL AVX512_SPR",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }


def fixed_variables() -> dict[str, str]:
    """Those variables that this process was started with; its workers need them before they load anything."""
    return {name: os.environ[name] for name in portable_variables() if name in os.environ}


def restart_portable() -> None:
    """Start this program again with AVX2 kernels where they are not fixed; returns only where they are.

    For programs, before they have done anything: whatever was loaded or opened is lost. A library cannot do this to
    its user, so ``require_numerics`` refuses instead.
    """
    variables = portable_variables()
    if any(os.environ.get(name) != value for name, value in variables.items()):
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | variables)


_SIMD = {"AVX512": ("X86_V4", "AVX512_SKX"), "AVX512F": ("AVX512F",), "AVX2": ("X86_V3", "AVX2")}
"""Class -> how releases of numpy call it; what only sorts or serves half precision makes no class of its own."""


@cache
def _blas() -> tuple[tuple[str, str], ...]:
    """Kernels and release of numpy's BLAS and of scipy's, which brings its own."""
    import scipy.linalg  # noqa: F401, PLC0415  (loads it)
    from threadpoolctl import threadpool_info  # noqa: PLC0415

    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    # Others may have loaded a BLAS as well, at one time or another.
    own = [library for library in found if any(f"{name}.libs" in library["filepath"] for name in ("numpy", "scipy"))]
    return tuple(
        sorted(
            (str(library.get("architecture") or library["internal_api"]), str(library["version"]))
            for library in own or found
        )
    )


def _torch() -> str:
    from quantray.models.kernels import torch_kernels  # noqa: PLC0415  (seconds to load)

    return torch_kernels()
