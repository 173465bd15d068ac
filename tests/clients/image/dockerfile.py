"""Builds the image without an engine: the Dockerfile's own steps, run one after the other in folders.

A stage's base is a Debian made by debootstrap, which lies in target/clients/image and is made once. A step runs as an
engine would run it: by /bin/sh, as root, in the stage's folder as the root, with the environment so far. An instruction
that isn't known here is an error, so that the Dockerfile keeps to what was run.
"""

import glob
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
WORK = ROOT / "target" / "clients" / "image"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def instructions(text):
    """Name and words of each instruction; a line that ends in a backslash goes on."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            name, words = line.split(None, 1)
            yield name.upper(), words.strip()


class Stage:
    """What an engine would know of an image: its files and how it is started."""

    def __init__(self, root):
        self.root = root
        self.env = {"PATH": PATH}
        self.workdir = "/"
        self.user = ""
        self.volumes, self.ports, self.entrypoint, self.command = [], [], [], []

    def inside(self, path):
        return self.root / os.path.join(self.workdir, path).lstrip("/")


def base():
    """A minimal Debian bookworm. An interrupted one is no base: it gets its name at the end."""
    folder = WORK / "bookworm"
    if not folder.exists():
        draft = WORK / "bookworm.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", draft], check=True, stdout=subprocess.DEVNULL)
        for package in (draft / "var/cache/apt/archives").glob("*.deb"):
            package.unlink()
        # As in the image of that name: apt leaves nothing behind.
        kept = 'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\nAPT::Keep-Downloaded-Packages "false";\n'
        (draft / "etc/apt/apt.conf.d/docker-clean").write_text(kept)
        for left in [*(draft / "var/cache/apt").glob("*.bin"), *(draft / "var/lib/apt/lists").glob("*_*")]:
            left.unlink()
        draft.rename(folder)
    return folder


def copy_of(folder, name):
    root = WORK / name
    subprocess.run(["rm", "-rf", "--one-file-system", root], check=True)
    subprocess.run(["cp", "-a", "--reflink=auto", folder, root], check=True)
    return root


def run_step(stage, command, binds=()):
    """RUN: it sees the network as the machine does, its own /proc, and no other file of the machine's."""
    root = shlex.quote(str(stage.root))
    lines = [
        f"mount -t proc proc {root}/proc",
        f"mount --rbind /dev {root}/dev",
        f"touch {root}/etc/resolv.conf && mount --bind /etc/resolv.conf {root}/etc/resolv.conf",
        *(f"mkdir -p {root}{inside} && mount --bind {shlex.quote(outside)} {root}{inside}" for outside, inside in binds),
        f"exec chroot {root} /bin/sh -c {shlex.quote(f'cd {stage.workdir} && {command}')}",
    ]
    environment = stage.env | {"DEBIAN_FRONTEND": "noninteractive"}
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-ec", "\n".join(lines)]
    subprocess.run(unshare, env=environment, check=True, stdin=subprocess.DEVNULL)


def copy_step(stage, words, earlier):
    origin = ROOT
    if words[0].startswith("--from="):
        origin = earlier[words.pop(0).removeprefix("--from=")]
    *sources, target = words
    into = stage.inside(target)
    if target.endswith("/") or len(sources) > 1:
        into.mkdir(parents=True, exist_ok=True)
    for source in sources:
        found = glob.glob(str(origin / source.lstrip("/")))
        assert found, f"COPY {source}: there is no such file"
        for one in map(pathlib.Path, found):
            if one.is_dir():
                shutil.copytree(one, into, dirs_exist_ok=True)
            else:
                shutil.copy(one, into)


def build(name, server=None):
    """The Dockerfile's last stage, in folders named for who builds it. With `server` given, the stages before it aren't built: it is what they would have made."""
    stages, names = [], {}
    texts = list(instructions((ROOT / "Dockerfile").read_text()))
    last = max(at for at, (name, _) in enumerate(texts) if name == "FROM")
    for at, (instruction, words) in enumerate(texts):
        if instruction == "FROM":
            image, _, label = words.partition(" AS ")
            assert image in ("rust:1-slim-bookworm", "debian:bookworm-slim"), f"FROM {image}"
            skipped = server is not None and at < last
            stage = Stage(WORK / f"{name}{len(stages)}" if skipped else copy_of(base(), f"{name}{len(stages)}"))
            binds = toolchain(stage) if image.startswith("rust") and not skipped else ()
            stages.append(stage)
            names[label] = stage.root
            if skipped:
                made = stage.root / "build/target/guided"
                made.mkdir(parents=True, exist_ok=True)
                shutil.copy(server, made / "vermilion")
            continue
        if skipped:
            continue
        print(f"{instruction} {words}", flush=True)
        match instruction:
            case "RUN":
                run_step(stage, words, binds)
            case "COPY":
                copy_step(stage, words.split(), names)
            case "ENV":
                stage.env |= dict(pair.split("=", 1) for pair in shlex.split(words))
            case "WORKDIR":
                stage.workdir = os.path.join(stage.workdir, words)
                stage.inside(".").mkdir(parents=True, exist_ok=True)
            case "VOLUME":
                stage.volumes.append(words)
            case "EXPOSE":
                stage.ports.append(int(words))
            case "USER":
                stage.user = words
            case "ENTRYPOINT":
                stage.entrypoint = json.loads(words)
            case "CMD":
                stage.command = json.loads(words)
            case _:
                raise ValueError(f"{instruction} was never run here")
    return stages[-1]


def toolchain(stage):
    """The image `rust` is a Debian with a toolchain and a C compiler; the machine's own toolchain stands in for it."""
    home = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    stage.env |= {"PATH": f"/usr/local/rust/bin:{PATH}", "CARGO_HOME": "/usr/local/cargo"}
    stage.env["SSL_CERT_FILE"] = "/usr/local/certificates/ca-certificates.crt"
    cargo = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    registry = os.path.join(cargo, "registry")
    return [(home, "/usr/local/rust"), (registry, "/usr/local/cargo/registry"), ("/etc/ssl/certs", "/usr/local/certificates")]
