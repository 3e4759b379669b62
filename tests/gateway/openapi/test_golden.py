"""Hand-written documents and the tools they become. GOLDEN=write rewrites the files, to be read as a difference."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mcphub.gateway.upstreams.openapi_spec.documents import Documents
from mcphub.gateway.upstreams.openapi_spec.operations import convert
from mcphub.gateway.upstreams.openapi_spec.reading import read

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("document", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_document_becomes_these_tools(document: Path) -> None:
    api = convert(Documents(read(document.read_bytes())))
    tools = [json.loads(operation.definition) for operation in api.operations.values()]
    expected = document.with_suffix(".tools.json")
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(json.dumps(tools, indent=1) + "\n")
    assert tools == json.loads(expected.read_text())
