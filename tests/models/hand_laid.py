"""Stores laid out by hand, as Ollama writes them, and small models to put into stores."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np

# The manifest of Ollama's llama3.2:3b and its small blobs, byte for byte.
LLAMA_MANIFEST = (
    b'{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",'
    b'"config":{"mediaType":"application/vnd.docker.container.image.v1+json","digest":'
    b'"sha256:34bb5ab01051a11372a91f95f3fbbc51173eed8e7f13ec395b9ae9b8bd0e242b","size":561},'
    b'"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":'
    b'"sha256:dde5aa3fc5ffc17176b5e8bdc82f587b24b2678c6c66101bf7da77af9f7ccdff",'
    b'"size":2019377376},{"mediaType":"application/vnd.ollama.image.template","digest":'
    b'"sha256:966de95ca8a62200913e3f8bfbf84c8494536f1b94b49166851e76644e966396","size":1429},'
    b'{"mediaType":"application/vnd.ollama.image.license","digest":'
    b'"sha256:fcc5a6bec9daf9b561a68827b67ab6088e1dba9d1fa2a50d7bbcc8384e0a265d","size":7711},'
    b'{"mediaType":"application/vnd.ollama.image.license","digest":'
    b'"sha256:a70ff7e570d97baaf4e62ac6e6ad9975e04caa6d900d3742d37698494479e0cd","size":6016},'
    b'{"mediaType":"application/vnd.ollama.image.params","digest":'
    b'"sha256:56bb8bd477a519ffa694fc449c2413c6f0e1d3b1c88fa7e3c9d88d3ae49d4dcb","size":96}]}'
)
LLAMA_DIGEST = "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72"
LLAMA_CONFIG = (
    b'{"model_format":"gguf","model_family":"llama","model_families":["llama"],'
    b'"model_type":"3.2B","file_type":"Q4_K_M","architecture":"amd64","os":"linux","rootfs":'
    b'{"type":"layers","diff_ids":['
    b'"sha256:dde5aa3fc5ffc17176b5e8bdc82f587b24b2678c6c66101bf7da77af9f7ccdff",'
    b'"sha256:966de95ca8a62200913e3f8bfbf84c8494536f1b94b49166851e76644e966396",'
    b'"sha256:fcc5a6bec9daf9b561a68827b67ab6088e1dba9d1fa2a50d7bbcc8384e0a265d",'
    b'"sha256:a70ff7e570d97baaf4e62ac6e6ad9975e04caa6d900d3742d37698494479e0cd",'
    b'"sha256:56bb8bd477a519ffa694fc449c2413c6f0e1d3b1c88fa7e3c9d88d3ae49d4dcb"]}}\n'
)
LLAMA_PARAMETERS = (
    b'{"stop":["\\u003c|start_header_id|\\u003e","\\u003c|end_header_id|\\u003e",'
    b'"\\u003c|eot_id|\\u003e"]}\n'
)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def lay_blob(root: Path, data: bytes) -> str:
    folder = root / "blobs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / digest(data).replace(":", "-")).write_bytes(data)
    return digest(data)


def lay_manifest(root: Path, name: str, data: bytes) -> Path:
    path = root / "manifests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def manifest(root: Path, layers: Mapping[str, bytes], config: bytes = b"{}") -> bytes:
    """A manifest of these layers by the ends of their types, their blobs being laid."""

    def layer(kind: str, data: bytes) -> str:
        return f'{{"mediaType":"{kind}","digest":"{lay_blob(root, data)}","size":{len(data)}}}'

    listed = ",".join(
        layer(f"application/vnd.ollama.image.{kind.partition(' ')[0]}", data)
        for kind, data in layers.items()
    )
    return (
        '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",'
        f'"config":{layer("application/vnd.docker.container.image.v1+json", config)},'
        f'"layers":[{listed}]}}'
    ).encode()


def age(path: Path, seconds: float) -> None:
    """Let a file look as if it were so many seconds older."""
    before = path.stat().st_mtime - seconds
    os.utime(path, (before, before))


def tiny(path: Path, seed: int = 0, **split: int) -> Path:
    """A GGUF file of one small tensor; `no` and `count` make it a part of several."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint32("general.seed", seed)
    if split:
        writer.add_uint16("split.no", split["no"])
        writer.add_uint16("split.count", split["count"])
        writer.add_int32("split.tensors.count", split["count"])
    values = np.full((4, 32), seed, dtype=np.float32)
    writer.add_tensor(f"tensor.{split.get('no', 0)}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
