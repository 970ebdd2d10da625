# SPDX-License-Identifier: BSD-3-Clause
"""setup: how the C of the package is compiled: src/ here, and the whole core of the library with it.

setuptools comes in, for pip or tools/wheel.  The core's sources lie above this folder in a checkout and in `core/`
in a source distribution; they are copied into the build's own folder first, so that no compiled file ends up
beside a source.  Nothing is linked with an installed libqueuepool, and of what is compiled in, only the module's
entry can be seen from outside.  What the package is called is in pyproject.toml.
"""
import os
import pathlib
import shutil

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
PARTS = ("include", "src/core", "src/platform")
LIMITED_API = "0x030b0000"  # 3.11, as the wheel's tag cp311 says


def core_folder():
    """Where the library's include/ and src/ are."""
    for folder in (HERE / "core", HERE.parent):
        if (folder / "include" / "queuepool.h").exists():
            return folder
    raise SystemExit(
        f"queuepool: no include/queuepool.h in {HERE / 'core'} or {HERE.parent}: "
        "build from a checkout of the whole repository, or from a source distribution"
    )


def copy_core(to):
    """Sources and headers, with the times that they have; what is no longer there goes."""
    shutil.rmtree(to, ignore_errors=True)
    for part in PARTS:
        for path in sorted((core_folder() / part).rglob("*.[ch]")):
            goal = pathlib.Path(to) / path.relative_to(core_folder())
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, goal)


class BuildExtension(build_ext):
    def build_extension(self, ext):
        core = pathlib.Path(self.build_temp) / "queuepool-core"
        copy_core(core)
        ext.sources = sorted(ext.sources) + sorted(str(path) for path in core.rglob("*.c"))
        ext.include_dirs = [str(core / "include"), str(core / "src")]
        ext.depends = ext.depends + [str(path) for path in core.rglob("*.h")]
        # Messages that name a line of the core name it as the library does.
        maps = [f"-ffile-prefix-map={core}/=", f"-ffile-prefix-map={HERE}=."]
        ext.extra_compile_args = ext.extra_compile_args + maps
        super().build_extension(ext)


class SourceDistribution(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        copy_core(os.path.join(base_dir, "core"))
        licence = pathlib.Path(base_dir) / "LICENSE"
        licence.unlink(missing_ok=True)  # a link here, whose goal is not part of the distribution
        shutil.copyfile(HERE / "LICENSE", licence)


def extension():
    """As meson.build and src/meson.build compile the library; but with the plain engine, since the GIL makes threads
    take turns anyway."""
    own = pathlib.Path("src")
    exported = str(own / "core.map")
    return Extension(
        "queuepool._core",
        sources=[str(path) for path in own.glob("*.c")],
        depends=[str(path) for path in own.glob("*.h")] + [exported],
        define_macros=[("_GNU_SOURCE", None), ("Py_LIMITED_API", LIMITED_API)],
        undef_macros=["NDEBUG"],
        extra_compile_args=["-std=c17", "-fvisibility=hidden", "-pthread"],
        extra_link_args=[
            "-pthread",
            f"-Wl,--version-script={exported}",
            "-Wl,-z,nodelete",  # pthread_atfork has no way back
            "-Wl,-z,relro",
            "-Wl,-z,now",
        ],
        py_limited_api=True,
    )


os.chdir(HERE)
setup(
    ext_modules=[extension()],
    cmdclass={"build_ext": BuildExtension, "sdist": SourceDistribution},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
