"""Operations of a real service, called as tools."""

from __future__ import annotations

import base64

import pytest

from mcphub.gateway.errors import MethodNotFound, NotSent, RpcError
from tests.gateway.openapi.conftest import Connect


@pytest.fixture(params=["3.0.json", "3.0.yaml", "3.1.json", "3.1.yaml"])
def document(request: pytest.FixtureRequest, service: str) -> str:
    return f"{service}/openapi-{request.param}"


async def test_every_form_of_the_document_gives_the_same_tools(connect: Connect, document: str, service: str) -> None:
    client = await connect(url=document)
    reference = await connect(url=f"{service}/openapi-3.0.json")
    assert list(client.tools) == list(reference.tools)
    assert "get_echo" in client.tools
    assert client.tools["getPet"]["inputSchema"] == reference.tools["getPet"]["inputSchema"]


async def test_an_answer_is_text_and_structured_content(connect: Connect, document: str) -> None:
    client = await connect(url=document)
    result = await client.call("getPet", {"petId": 1})
    assert result["structuredContent"] == {"id": 1, "name": "Rex", "nickname": None}
    assert result["content"][0]["text"].startswith("{")
    assert result["isError"] is False


async def test_an_array_stands_under_result(connect: Connect, document: str) -> None:
    client = await connect(url=document)
    result = await client.call("listPets")
    assert result["structuredContent"]["result"][0]["name"] == "Rex"
    assert client.tools["listPets"]["outputSchema"]["type"] == "object"


async def test_parameters_arrive_in_their_styles(connect: Connect, document: str) -> None:
    client = await connect(url=document)
    sent = {
        "segment": "a/b c",
        "filter": {"name": "x y", "deep": {"a": 1}},
        "pipes": ["p", "q"],
        "X-List": ["l", "m"],
        "session": "s=1;2",
    }
    seen = (await client.call("get_echo", sent))["structuredContent"]
    assert seen["path"] == "/api/echo/a/b c"
    assert sorted(map(tuple, seen["query"])) == [
        ("filter[deep][a]", "1"),
        ("filter[name]", "x y"),
        ("pipes", "p|q"),
    ]
    assert seen["headers"]["x-list"] == "l,m"
    assert seen["cookies"]["session"] == "s%3D1%3B2"


async def test_a_missing_path_parameter_is_an_error_without_a_request(connect: Connect, service: str) -> None:
    client = await connect(url=f"{service}/openapi-3.0.json")
    result = await client.call("getPet")
    assert result["isError"] is True
    assert "'petId' is missing" in result["content"][0]["text"]


async def test_path_level_parameters_are_sent(connect: Connect, service: str) -> None:
    client = await connect(url=f"{service}/openapi-3.0.json")
    assert client.tools["getPet"]["inputSchema"]["required"] == ["petId"]
    assert client.tools["replacePet"]["inputSchema"]["required"] == ["petId", "X-Trace", "body"]


async def test_files_are_uploaded(connect: Connect, document: str) -> None:
    client = await connect(url=document)
    content = bytes(range(256))
    more = [
        {
            "content": base64.urlsafe_b64encode(content).decode().rstrip("="),
            "filename": 'a"b.txt',
            "contentType": "text/plain",
        }
    ]
    body = {"file": base64.b64encode(content).decode(), "more": more, "note": "hä"}
    parts = (await client.call("uploadFile", {"body": body}))["structuredContent"]["parts"]
    assert [part["name"] for part in parts] == ["file", "more", "note"]
    assert parts[0]["base64"] == parts[1]["base64"] == base64.b64encode(content).decode()
    assert (parts[0]["filename"], parts[0]["type"]) == ("upload", "application/octet-stream")
    assert parts[1]["type"] == "text/plain"
    assert parts[2]["value"] == "hä"


async def test_bad_base64_is_an_error(connect: Connect, service: str) -> None:
    client = await connect(url=f"{service}/openapi-3.0.json")
    result = await client.call("uploadFile", {"body": {"file": "no base64!"}})
    assert result == {"content": [{"type": "text", "text": "The file 'file' is not valid base64."}], "isError": True}


async def test_a_form_repeats_lists(connect: Connect, document: str) -> None:
    client = await connect(url=document)
    seen = (await client.call("logIn", {"body": {"user": "a b", "roles": ["x", "y"]}}))["structuredContent"]
    assert seen["body"] == [["user", "a b"], ["roles", "x"], ["roles", "y"]]


async def test_failures_are_results_with_masked_bodies(connect: Connect, document: str) -> None:
    client = await connect(url=document)
    result = await client.call("failWith", {"status": 404})
    told = result["content"][0]["text"]
    assert result["isError"] is True
    assert told.startswith("API call failed: 404 Not Found")
    assert "as you wished" in told
    assert "do-not-show" not in told


async def test_redirects_are_failures(connect: Connect, service: str) -> None:
    client = await connect(url=f"{service}/openapi-3.0.json")
    for name, where in (("redirectInside", "/api/text"), ("redirectOutside", "169.254.169.254")):
        result = await client.call(name)
        assert result["isError"] is True
        assert where in result["content"][0]["text"]


async def test_text_and_pictures_come_as_what_they_are(connect: Connect, document: str) -> None:
    client = await connect(url=document)
    assert (await client.call("plainText"))["content"] == [{"type": "text", "text": "plain tëxt"}]
    (picture,) = (await client.call("picture"))["content"]
    assert (picture["type"], picture["mimeType"]) == ("image", "image/png")
    assert base64.b64decode(picture["data"]).startswith(b"\x89PNG")


async def test_an_empty_answer_tells_its_status(connect: Connect, service: str) -> None:
    client = await connect(url=f"{service}/openapi-3.0.json")
    created = await client.call("createPet", {"body": {"name": "Tom"}})
    result = await client.call("deletePet", {"petId": created["structuredContent"]["id"]})
    assert result["content"] == [{"type": "text", "text": "204 No Content"}]


@pytest.mark.parametrize(
    ("scheme", "security"),
    [
        ("keyHeader", {"type": "apiKey", "apiKey": {"name": "X-API-Key", "in": "header", "value": "secret-key"}}),
        ("keyQuery", {"type": "apiKey", "apiKey": {"name": "api_key", "in": "query", "value": "secret-key"}}),
        ("keyCookie", {"type": "apiKey", "apiKey": {"name": "api_key", "in": "cookie", "value": "secret-key"}}),
        ("bearer", {"type": "http", "http": {"scheme": "bearer", "credentials": "secret-token"}}),
        ("bearer", {"type": "openIdConnect", "openIdConnect": {"url": "http://x", "token": "secret-token"}}),
        ("bearer", {"type": "oauth2", "oauth2": {"token": "secret-token"}}),
        ("basic", {"type": "http", "http": {"scheme": "basic", "credentials": "alice:wonderland"}}),
        ("basic", {"type": "http", "http": {"scheme": "basic", "credentials": "YWxpY2U6d29uZGVybGFuZA=="}}),
    ],
)
async def test_credentials_open_the_service(connect: Connect, service: str, scheme: str, security: dict) -> None:
    without = await connect(url=f"{service}/openapi-3.0.json")
    assert (await without.call(f"secure_{scheme}"))["isError"] is True
    client = await connect(url=f"{service}/openapi-3.0.json", security=security)
    assert (await client.call(f"secure_{scheme}"))["isError"] is False


async def test_client_credentials_open_the_service(connect: Connect, service: str) -> None:
    oauth = {"tokenUrl": f"{service}/token", "clientId": "client", "clientSecret": "client-secret", "scopes": ["read"]}
    client = await connect(url=f"{service}/openapi-3.0.json", security={"type": "oauth2", "oauth2": oauth})
    assert (await client.call("secure_oauth"))["isError"] is False


async def test_passed_through_headers_win_over_everything(connect: Connect, service: str) -> None:
    client = await connect(url=f"{service}/openapi-3.0.json", headers={"X-List": "static", "X-Other": "static"})
    seen = (await client.call("get_echo", {"segment": "x"}))["structuredContent"]
    assert (seen["headers"]["x-list"], seen["headers"]["x-other"]) == ("static", "static")
    seen = (await client.call("get_echo", {"segment": "x", "X-List": ["tool"]}))["structuredContent"]
    assert seen["headers"]["x-list"] == "tool"
    passed = {"x-list": "passed", "host": "evil", "authorization": "Bearer theirs"}
    seen = (await client.call("get_echo", {"segment": "x", "X-List": ["tool"]}, headers=passed))["structuredContent"]
    assert seen["headers"]["x-list"] == "passed"
    assert seen["headers"]["authorization"] == "Bearer theirs"
    assert seen["headers"]["host"] != "evil"


async def test_cookies_live_in_the_callers_session(connect: Connect, service: str) -> None:
    client = await connect(url=f"{service}/openapi-3.0.json", cookie_session=True)
    await client.call("logIn", {"body": {"user": "a"}}, scope="one")
    arguments = {"session": "s"}
    assert (await client.call("whoAmI", arguments, scope="one"))["structuredContent"]["cookies"]["visited"] == "yes"
    assert "visited" not in (await client.call("whoAmI", arguments, scope="two"))["structuredContent"]["cookies"]
    assert "visited" not in (await client.call("whoAmI", arguments))["structuredContent"]["cookies"]


async def test_only_chosen_operations_are_offered(connect: Connect, service: str) -> None:
    client = await connect(url=f"{service}/openapi-3.0.json", operations=("getPet", "get_echo", "nothing"))
    assert list(client.tools) == ["getPet", "get_echo"]
    assert ("warning", "The OpenAPI document has no operations named nothing.") in client.ear.lines
    with pytest.raises(RpcError):
        await client.call("listPets")


async def test_a_document_given_inline_works(connect: Connect, service: str) -> None:
    schema = {
        "openapi": "3.0.3",
        "info": {"title": "Pets", "version": "7"},
        "servers": [{"url": f"{service}/api/"}],
        "paths": {"/pets/{id}": {"get": {"operationId": "pet"}}},
    }
    client = await connect(schema=schema)
    assert (await client.call("pet", {"id": "2"}))["structuredContent"]["name"] == "Mia"


async def test_an_unreachable_service_was_surely_not_called(connect: Connect) -> None:
    client = await connect(
        schema={"openapi": "3.1.0", "servers": [{"url": "http://127.0.0.1:9"}], "paths": {"/": {"get": {}}}}
    )
    with pytest.raises(NotSent):
        await client.call("get_root")
    with pytest.raises(NotSent):
        await client.upstream.ping()


async def test_only_tools_are_known(connect: Connect, service: str) -> None:
    client = await connect(url=f"{service}/openapi-3.0.json")
    await client.upstream.ping()
    with pytest.raises(MethodNotFound):
        await client.upstream.subscribe("x:", True)
