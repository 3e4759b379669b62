from tests.gateway.world import World


async def test_a_session_lists_and_calls(world: World) -> None:
    session, result = await world.initialize()
    assert result["serverInfo"]["name"] == "mcphub"
    listed = await world.legacy(session, "tools/list")
    assert [t["name"] for t in listed.json["result"]["tools"]] == ["a-echo", "a-add", "b-echo", "b-add"]
    called = await world.legacy(session, "tools/call", {"name": "b-echo", "arguments": {"x": 1}})
    assert called.json["result"]["content"][0]["text"] == '{"name": "echo", "arguments": {"x": 1}}'
    assert world.link.calls[0].server == "key-b"


async def test_a_stateless_client_lists_and_calls(world: World) -> None:
    found = await world.modern("server/discover")
    assert found.json["result"]["supportedVersions"][0] == "2026-07-28"
    listed = await world.modern("tools/list")
    assert listed.json["result"]["resultType"] == "complete"
    called = await world.modern("tools/call", {"name": "a-echo", "arguments": {}})
    assert called.json["result"]["resultType"] == "complete", called.body
