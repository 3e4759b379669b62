"""Catalog: what one door exposes to one viewer: exact names to targets, and lists that are rendered once.

A name is looked up in a map made when the catalog is first asked, never taken apart. A catalog is immutable and
shared by all callers with the same door and view; it survives a new snapshot that changed nothing behind it.
Above: `methods`. Below: the values, `access`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Raw

from mcphub.gateway import jsonrpc, rendering, uritemplates
from mcphub.gateway.access import may_see
from mcphub.gateway.inventory import Kind
from mcphub.gateway.mirrors import InvalidAnnotation, Mirror, mirrors_of
from mcphub.gateway.principal import Principal
from mcphub.gateway.selector import Selector
from mcphub.gateway.snapshot import BuiltinPrompt, BuiltinResource, Member, Offer, ServerSpec, Snapshot

#: The lists a client may ask for; `templates` are announced as resources.
Listing = Literal["tools", "prompts", "resources", "templates"]
LISTINGS: tuple[Listing, ...] = ("tools", "prompts", "resources", "templates")

_KIND: dict[Listing, Kind] = {"tools": "tool", "prompts": "prompt", "resources": "resource", "templates": "template"}
#: Lists may change with any edit, so they are fresh for no longer than this, in milliseconds.
FRESH_MS = 5000
_CACHED = 2048


class Source(NamedTuple):
    """One server behind a door: the prefix of its items, and what a group selected of it."""

    server: ServerSpec
    prefix: str
    member: Member | None = None


class Target:
    """Where one exposed item leads.

    Attributes:
        exposed: its name (or URI) behind this door; `name` the upstream's own.
        raw_name: the upstream's own name as JSON, ready to be put into params.
    """

    __slots__ = ("_mirrors", "app_only", "exposed", "kind", "name", "offer", "raw_name", "server")

    def __init__(self, kind: Kind, exposed: str, offer: Offer, server: ServerSpec) -> None:
        self.kind = kind
        self.exposed = exposed
        self.name = offer.item.key
        self.offer = offer
        self.server = server
        self.raw_name = Raw(jsonrpc.dumps(self.name))
        self.app_only = kind == "tool" and rendering.is_app_only(offer.item.definition)
        self._mirrors: tuple[Mirror, ...] | None = None

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """The arguments of this tool that are mirrored in headers."""
        if self._mirrors is None:
            self._mirrors = ()
            definition = self.offer.item.definition
            if b"x-mcp-header" in definition:
                try:
                    self._mirrors = mirrors_of(jsonrpc.loads(definition).get("inputSchema"))
                except InvalidAnnotation:
                    pass  # an invalid annotation: conforming clients ignore the tool, others send no headers
        return self._mirrors


@dataclass(frozen=True, slots=True)
class _Basis:
    """Everything a catalog depends on. Specs are compared by identity: a snapshot shares those that did not change."""

    sources: tuple[Source, ...]
    prompts: tuple[BuiltinPrompt, ...]
    resources: tuple[BuiltinResource, ...]
    separator: str
    group: str

    def same(self, other: _Basis) -> bool:
        return (
            self.separator == other.separator
            and self.group == other.group
            and len(self.sources) == len(other.sources)
            and all(
                mine.server is theirs.server and mine.prefix == theirs.prefix and mine.member == theirs.member
                for mine, theirs in zip(self.sources, other.sources, strict=True)
            )
            and self.prompts == other.prompts
            and self.resources == other.resources
        )


def _basis(snapshot: Snapshot, selector: Selector, principal: Principal) -> _Basis:
    members: dict[str, Member] | None = None
    group = ""
    if selector.kind == "group":
        spec = snapshot.groups[selector.key]
        group = spec.name
        members = {}
        for member in spec.members:
            members.setdefault(member.server, member)
    sources = []
    for server in _candidates(snapshot, selector):
        if not server.enabled or not may_see(principal, server) or principal.username in server.switched_off:
            continue
        if members is None:
            sources.append(Source(server, server.name))
        elif (found := members.get(server.name)) is not None:
            sources.append(Source(server, found.alias or server.name, found))
    return _Basis(tuple(sources), snapshot.prompts, snapshot.resources, snapshot.switches.separator, group)


def _candidates(snapshot: Snapshot, selector: Selector) -> Iterable[ServerSpec]:
    return (snapshot.servers[selector.key],) if selector.kind == "server" else snapshot.servers.values()


class Catalog:
    """See the module. `selector` tells the door, `sources` the servers behind it in the order clients see them."""

    def __init__(self, selector: Selector, basis: _Basis) -> None:
        self.selector = selector
        self.basis = basis
        self.sources = basis.sources
        #: exactly one server: its items answer to both forms of their name
        self.single = len(basis.sources) == 1
        self.raw = selector.raw_names and self.single
        self.group = basis.group
        self._rendered: dict[tuple[Listing, bool, bool], bytes] = {}

    # -- what a name means ------------------------------------------------------------------------------------------

    def tool(self, name: str, *, apps: bool = False) -> Target | None:
        """The tool of that name. Tools made for an app's page only are unknown to clients that show none."""
        target = self._tools.get(name)
        return None if target is None or (target.app_only and not apps) else target

    def prompt(self, name: str) -> Target | BuiltinPrompt | None:
        """The prompt of that name; the hub's own come first."""
        return self._prompts.get(name)

    def resource(self, uri: str) -> Target | BuiltinResource | None:
        """Who owns a URI: by exact URI, then by template."""
        found = self._resources.get(uri)
        if found is not None:
            return found
        for target, withheld in self._templates:
            if uritemplates.matches(target.name, uri) and uri not in withheld:
                return target
        return None

    def template(self, pattern: str) -> Target | None:
        """The resource template with exactly this pattern."""
        return next((target for target, _ in self._templates if target.name == pattern), None)

    # -- lists ------------------------------------------------------------------------------------------------------

    def render(self, listing: Listing, *, modern: bool, apps: bool = False) -> bytes:
        """A list result, encoded, for one protocol era."""
        key = (listing, modern, apps)
        found = self._rendered.get(key)
        if found is None:
            found = self._rendered[key] = rendering.list_result(
                listing,
                self._items(listing, modern=modern, apps=apps),
                server_info=self.server_info if modern else None,
                ttl_ms=self.ttl_ms,
            )
        return found

    def offered(self, listing: Listing) -> Iterator[Target | BuiltinPrompt | BuiltinResource]:
        """The items of a list in its order, each once."""
        if listing == "templates":
            yield from (target for target, _ in self._templates)
            return
        index: dict[str, Any] = getattr(self, f"_{listing}")
        for name, target in index.items():
            if not isinstance(target, Target) or name == target.exposed:
                yield target

    def fingerprint(self, listing: Listing) -> int:
        """Changes when what this list shows changes."""
        return hash(self.render(listing, modern=False, apps=True))

    def _items(self, listing: Listing, *, modern: bool, apps: bool) -> Iterator[bytes]:
        raw = self.raw or (apps and self.single)
        for item in self.offered(listing):
            if isinstance(item, BuiltinPrompt):
                yield rendering.builtin_prompt(item)
            elif isinstance(item, BuiltinResource):
                yield rendering.builtin_resource(item)
            elif apps or not item.app_only:
                name = item.name if raw else item.exposed
                yield rendering.item(item.kind, item.offer, name, verbatim=raw, modern=modern, apps=apps)

    # -- what the door says of itself -------------------------------------------------------------------------------

    @cached_property
    def server_info(self) -> bytes:
        """`serverInfo`: the upstream's where exactly one is behind this door, else the hub's."""
        return rendering.server_info(self)

    @property
    def instructions(self) -> str | None:
        """An upstream's instructions, only where it is the only one: merged ones could not be told apart."""
        return self.sources[0].server.inventory.instructions if self.single else None

    @cached_property
    def capabilities(self) -> dict[str, Any]:
        """What actually answers behind this door."""
        return rendering.capabilities([source.server.inventory for source in self.sources])

    @cached_property
    def ttl_ms(self) -> int:
        """How long lists stay fresh: what every upstream promised, never more than `FRESH_MS`."""
        if self.basis.prompts or self.basis.resources:
            return 0
        promised = [source.server.inventory.ttl_ms for source in self.sources]
        return max(0, min([FRESH_MS, *(0 if ttl is None else ttl for ttl in promised)]))

    # -- indexes, made when first needed ----------------------------------------------------------------------------

    @cached_property
    def _tools(self) -> dict[str, Target]:
        return self._index("tools")

    @cached_property
    def _prompts(self) -> dict[str, Target | BuiltinPrompt]:
        index: dict[str, Target | BuiltinPrompt] = {prompt.name: prompt for prompt in self.basis.prompts}
        for name, target in self._index("prompts").items():
            index.setdefault(name, target)
        return index

    def _index(self, listing: Literal["tools", "prompts"]) -> dict[str, Target]:
        """Exposed names first, so that no second form of a name can hide a listed item; the first comer wins."""
        index: dict[str, Target] = {}
        second_forms: list[tuple[str, Target]] = []
        separator = self.basis.separator
        for source in self.sources:
            for offer in self._selected(source, listing):
                own = offer.item.key
                prefixed = f"{source.prefix}{separator}{own}"
                target = Target(_KIND[listing], own if self.raw else prefixed, offer, source.server)
                if index.setdefault(target.exposed, target) is not target:
                    continue
                if self.single:
                    second_forms.append((prefixed if self.raw else own, target))
                if source.prefix != source.server.name:
                    second_forms.append((f"{source.server.name}{separator}{own}", target))
        for name, target in second_forms:
            index.setdefault(name, target)
        return index

    @cached_property
    def _resources(self) -> dict[str, Target | BuiltinResource]:
        index: dict[str, Target | BuiltinResource] = {resource.uri: resource for resource in self.basis.resources}
        for source in self.sources:
            for offer in self._selected(source, "resources"):
                if offer.item.key not in index:
                    index[offer.item.key] = Target("resource", offer.item.key, offer, source.server)
        return index

    @cached_property
    def _templates(self) -> list[tuple[Target, frozenset[str]]]:
        """Templates with the URIs of their server that are withheld: no template leads to a disabled resource."""
        found: dict[str, tuple[Target, frozenset[str]]] = {}
        for source in self.sources:
            offers = list(self._selected(source, "templates"))
            if not offers:
                continue
            shown = {offer.item.key for offer in self._selected(source, "resources")}
            withheld = frozenset(o.item.key for o in source.server.resources if o.item.key not in shown)
            for offer in offers:
                target = Target("template", offer.item.key, offer, source.server)
                found.setdefault(offer.item.key, (target, withheld))
        return list(found.values())

    @staticmethod
    def _selected(source: Source, listing: Listing) -> Iterator[Offer]:
        """What is enabled of a server and selected by the group."""
        server, member = source.server, source.member
        offers: tuple[Offer, ...] = getattr(server, listing)
        if member is None:
            return (offer for offer in offers if offer.enabled)
        if listing == "templates":
            chosen = member.resources
            return (
                offer
                for offer in offers
                if offer.enabled
                and (
                    chosen is None or any(uri.startswith(uritemplates.static_prefix(offer.item.key)) for uri in chosen)
                )
            )
        wanted: frozenset[str] | None = getattr(member, listing)
        return (offer for offer in offers if offer.enabled and (wanted is None or offer.item.key in wanted))


class Catalogs:
    """Catalogs by door and view, made when first asked for; bounded, the least recently used are forgotten."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Selector, str, str | None], tuple[Snapshot, Catalog]] = OrderedDict()

    def of(self, snapshot: Snapshot, selector: Selector, principal: Principal) -> Catalog:
        """The catalog of this door for everyone who sees what this principal sees."""
        # Admins see the same servers, but each may have switched off some.
        key = (selector, principal.viewer, principal.username)
        kept = self._kept.get(key)
        if kept is not None and kept[0] is snapshot:
            return kept[1]
        basis = _basis(snapshot, selector, principal)
        catalog = kept[1] if kept is not None and kept[1].basis.same(basis) else Catalog(selector, basis)
        self._kept[key] = (snapshot, catalog)
        self._kept.move_to_end(key)
        if len(self._kept) > _CACHED:
            self._kept.popitem(last=False)
        return catalog


def capabilities_of(server: ServerSpec) -> dict[str, Any]:
    """What the upstream behind a server declared; empty while it never connected."""
    try:
        found = msgspec.json.decode(server.inventory.capabilities)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
