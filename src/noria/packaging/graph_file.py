"""A graph of deployments as a package: it holds whom it asks, and no model."""

from __future__ import annotations

from noria.core.graphs import Graph, GraphForm
from noria.core.schema import Signature
from noria.packaging.manifest import FILES, GRAPH, Manifest, read, verified
from noria.packaging.package import Packed
from noria.ports import wire
from noria.ports.blobs import Blobs


def save(graph: Graph, signature: Signature, *, blobs: Blobs) -> Packed:
    """Keep a graph under its digest, with what it takes and gives."""
    content = wire.dump(GraphForm.of(graph))
    files = {FILES[GRAPH]: blobs.put(content)}
    manifest = Manifest(format=GRAPH, serving_form=GRAPH, files=files, signature=signature, libraries={})
    artifact = blobs.put(wire.dump(manifest))
    return Packed(artifact=artifact, format=GRAPH, serving_form=GRAPH, size_bytes=len(content), parity_max_diff=0.0)


def graph_of(artifact: str, *, blobs: Blobs) -> GraphForm:
    """The graph in a package.

    Raises:
        BlobMissing: a file of the package is not there.
        ArtifactRejected: a file is not what its digest says, or the package holds a model.
    """
    return wire.load(verified(read(artifact, blobs=blobs).file(GRAPH), blobs=blobs), GraphForm)
