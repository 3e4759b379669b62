"""Every system setting in words: what it is called, a sentence about it, and how it is entered.

Above: `settings_form`. Below: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mcphub.errors import InvalidInput

Way = Literal["flag", "number", "fraction", "text", "secret", "choice", "list"]


@dataclass(frozen=True, slots=True)
class Field:
    """One setting: its dotted path, what it is called, a sentence about it, and how it is entered."""

    path: str
    label: str
    sentence: str
    way: Way = "text"
    choices: tuple[tuple[str, str], ...] = ()
    unit: str = ""

    @property
    def id(self) -> str:
        """Usable as an element's id."""
        return self.path.replace(".", "-")

    def read(self, sent: Mapping[str, str]) -> Any:
        """The value that a browser sent. Raises `InvalidInput` for a number that is none."""
        text = sent.get(self.path, "").strip()
        match self.way:
            case "flag":
                return self.path in sent
            case "number" | "fraction":
                return self._number(text)
            case "list":
                return list(dict.fromkeys(text.replace(",", " ").split()))
            case _:
                # A prefix may end in a blank that matters; every other text is trimmed where it is judged.
                return sent.get(self.path, "")

    def _number(self, text: str) -> int | float | None:
        if not text:
            return None
        try:
            return float(text) if self.way == "fraction" else int(text)
        except ValueError:
            raise InvalidInput(f"{self.path} must be a number.") from None


@dataclass(frozen=True, slots=True)
class Section:
    """Settings that belong together. Those of a feature still to come are kept for the API; no page offers them."""

    name: str
    title: str
    sentence: str
    fields: tuple[Field, ...]
    later: bool = False


_YES: Way = "flag"
_RAW = (("prefixed", "With the server's name before them"), ("raw", "As the server calls them"))
_PROVIDERS = (("openai", "OpenAI or compatible"), ("azure_openai", "Azure OpenAI"))
_STRATEGIES = tuple((word, word.capitalize()) for word in ("auto", "json", "log", "search", "diff", "text"))
_PAYLOADS = (("masked", "Yes, with secrets masked"), ("full", "Yes, as they are"), ("off", "No"))
_PROMPTS = tuple(
    (word, word.replace("_", " ").capitalize() or "As the provider likes")
    for word in ("", "none", "login", "create", "consent", "select_account", "select_account consent", "login consent")
)

SECTIONS: tuple[Section, ...] = (
    Section(
        "routing",
        "Access and routes",
        "Who is let in, and at which addresses.",
        (
            Field(
                "routing.enableBearerAuth",
                "Ask clients for a key",
                "Off: anyone who reaches the hub may use its public servers.",
                _YES,
            ),
            Field(
                "routing.bearerAuthHeaderName",
                "Header that carries the key",
                "Change it where something before the hub uses Authorization itself.",
            ),
            Field(
                "routing.bearerAuthKey",
                "Old common key",
                "A key from before keys had names. Better make keys under Keys.",
                "secret",
            ),
            Field(
                "routing.enableGlobalRoute",
                "One route to everything",
                "The address /mcp offers all servers a caller may use.",
                _YES,
            ),
            Field(
                "routing.enableGroupNameRoute",
                "Groups by name",
                "Groups are reached at /mcp/<name>, not only by their ids.",
                _YES,
            ),
            Field(
                "routing.serverRouteNames",
                "Names on a server's own route",
                "How tools are called at /mcp/<server>.",
                "choice",
                _RAW,
            ),
            Field(
                "nameSeparator",
                "Separator in names",
                "Stands between a server's name and a tool's, such as time-now. Clients see new names after a change.",
            ),
            Field(
                "routing.rateLimitPerMinute",
                "Requests per caller and minute",
                "More are refused for the rest of the minute; 0 for no limit.",
                "number",
            ),
            Field("routing.jsonBodyLimit", "Largest request", "Such as 1mb; at least 16kb."),
            Field(
                "routing.skipAuth",
                "Open the dashboard to everybody",
                "Nobody has to sign in, and everybody is an admin. Only for a machine that nobody else reaches.",
                _YES,
            ),
            Field(
                "enableSessionRebuild",
                "Rebuild lost sessions",
                "Kept for clients of the hub this one replaces; sessions survive a restart in any case.",
                _YES,
            ),
        ),
    ),
    Section(
        "install",
        "This hub",
        "Its address, and where packages come from.",
        (
            Field(
                "install.baseUrl",
                "Address",
                "What people and clients use, wherever something is copied. Empty: what INSTALL_BASE_URL says.",
            ),
            Field("install.npmRegistry", "npm registry", "Where npx fetches packages; empty for the public one."),
            Field(
                "install.pythonIndexUrl",
                "Python package index",
                "Where uvx fetches packages; empty for the public one.",
            ),
        ),
    ),
    Section(
        "activityLog",
        "Activity",
        "What is remembered of calls, and how long.",
        (
            Field(
                "activityLog.enabled", "Remember calls", "Off: nothing is written down, and charts stay empty.", _YES
            ),
            Field(
                "activityLog.storeToolPayload",
                "Keep what goes in and comes out",
                "Arguments and results of calls, to look into later.",
                _YES,
            ),
            Field(
                "activityLog.payloads",
                "How they are kept",
                "Masking hides passwords, keys and tokens.",
                "choice",
                _PAYLOADS,
            ),
            Field(
                "activityLog.retentionDays",
                "Days to keep calls",
                "Older ones are removed; their sums stay for charts. 0 keeps them for ever.",
                "number",
            ),
            Field(
                "activityLog.retentionCalls",
                "Most calls to keep",
                "Beyond it the oldest are removed. 0 for no bound.",
                "number",
            ),
        ),
    ),
    Section(
        "alerts",
        "Alerts",
        "A webhook that is told when somebody should look.",
        (
            Field("alerts.webhookUrl", "Address", "Gets a signed JSON object by POST; empty for no alerts."),
            Field(
                "alerts.webhookSecret",
                "Secret",
                "Signs each message, so that the receiver knows it is from here.",
                "secret",
            ),
            Field("alerts.serverDownMinutes", "Minutes a server may be down", "Before it is told.", "number"),
            Field(
                "alerts.errorPercent",
                "Share of failed calls in percent",
                "Of one server within five minutes, from which it is told; 0 for never.",
                "number",
            ),
            Field("alerts.errorCalls", "Least calls", "Of fewer calls nothing can be concluded.", "number"),
        ),
    ),
    Section(
        "network",
        "Network",
        "Where the hub may connect to on behalf of people who are no admins.",
        (
            Field(
                "network.allowedCidrs",
                "Private networks they may use",
                "Such as 10.1.0.0/16, one a line. Others of this house are out of their reach.",
                "list",
            ),
        ),
    ),
    Section(
        "smartRouting",
        "Smart routing",
        "Clients see a few tools that search all others, instead of all of them.",
        (
            Field(
                "smartRouting.enabled",
                "Find tools by meaning",
                "Needs PostgreSQL with pgvector and a provider of embeddings.",
                _YES,
            ),
            Field(
                "smartRouting.dbUrl",
                "Database of embeddings",
                "postgresql:// address; empty for the hub's own.",
                "secret",
            ),
            Field("smartRouting.embeddingProvider", "Provider", "Who computes embeddings.", "choice", _PROVIDERS),
            Field("smartRouting.openaiApiBaseUrl", "OpenAI: address", "Empty for OpenAI's own."),
            Field("smartRouting.openaiApiKey", "OpenAI: key", "Stored encrypted.", "secret"),
            Field("smartRouting.openaiApiEmbeddingModel", "OpenAI: model", "Such as text-embedding-3-small."),
            Field("smartRouting.azureOpenaiEndpoint", "Azure: endpoint", "Such as https://name.openai.azure.com."),
            Field("smartRouting.azureOpenaiApiKey", "Azure: key", "Stored encrypted.", "secret"),
            Field("smartRouting.azureOpenaiApiVersion", "Azure: API version", "Such as 2024-02-01."),
            Field("smartRouting.azureOpenaiEmbeddingDeployment", "Azure: deployment", "The deployment's name."),
            Field("smartRouting.azureOpenaiEmbeddingModel", "Azure: model", "The model behind it."),
            Field(
                "smartRouting.embeddingEncodingFormat",
                "Encoding",
                "How the provider sends vectors.",
                "choice",
                (("auto", "Auto"), ("base64", "Base64"), ("float", "Float")),
            ),
            Field("smartRouting.embeddingDimensions", "Dimensions", "Empty for the model's own.", "number"),
            Field(
                "smartRouting.embeddingDimensionsApiPassthrough",
                "Send dimensions to the provider",
                "Where its model can shorten vectors.",
                _YES,
            ),
            Field(
                "smartRouting.embeddingMaxTokens",
                "Most tokens of a text",
                "Longer ones are cut; empty for the model's limit.",
                "number",
            ),
            Field(
                "smartRouting.embeddingQueryPrefix",
                "Prefix of questions",
                "For models that want one; blanks at the end count.",
            ),
            Field(
                "smartRouting.embeddingDocumentPrefix",
                "Prefix of tools",
                "For models that want one; blanks at the end count.",
            ),
            Field(
                "smartRouting.basePacingDelayMs",
                "Pause between requests",
                "Milliseconds, for providers with tight limits.",
                "number",
            ),
            Field(
                "smartRouting.similarityThreshold", "Least similarity", "0 to 1; tools below are not found.", "fraction"
            ),
            Field(
                "smartRouting.progressiveDisclosure",
                "Describe first, schema later",
                "Searches tell names; a second tool tells the schema.",
                _YES,
            ),
            Field(
                "smartRouting.serverDescriptionMode",
                "Servers in the description",
                "What the search tool tells of them.",
                "choice",
                (("names", "Names"), ("full", "Names and descriptions")),
            ),
            Field("smartRouting.fullSchemaTopN", "Best hits with their schema", "How many.", "number"),
            Field(
                "smartRouting.toolDefinitionFields",
                "Further members of definitions",
                "Some of title, annotations, outputSchema, execution, icons, _meta.",
                "list",
            ),
        ),
        later=True,
    ),
    Section(
        "toolResultCompression",
        "Shorter results",
        "Long results are shortened before a model reads them.",
        (
            Field("toolResultCompression.enabled", "Shorten long results", "What is left out can be asked for.", _YES),
            Field(
                "toolResultCompression.minTokens", "From how many tokens", "Shorter results pass as they are.", "number"
            ),
            Field("toolResultCompression.maxOutputTokens", "To how many tokens", "Roughly.", "number"),
            Field("toolResultCompression.strategy", "How", "Auto looks at what the result is.", "choice", _STRATEGIES),
        ),
        later=True,
    ),
    Section(
        "oauthServer",
        "OAuth for clients",
        "Clients may sign people in instead of showing a key.",
        (
            Field("oauthServer.enabled", "Offer sign-in to clients", "They then need no key.", _YES),
            Field("oauthServer.accessTokenLifetime", "Access tokens live", "Seconds.", "number"),
            Field("oauthServer.refreshTokenLifetime", "Refresh tokens live", "Seconds.", "number"),
            Field("oauthServer.authorizationCodeLifetime", "Codes live", "Seconds.", "number"),
            Field(
                "oauthServer.requireClientSecret",
                "Clients need a secret",
                "Shuts out clients that run on people's machines.",
                _YES,
            ),
            Field("oauthServer.requireState", "State is required", "As careful clients send it.", _YES),
            Field("oauthServer.allowedScopes", "Scopes", "What clients may ask for.", "list"),
            Field(
                "oauthServer.dynamicRegistration.enabled",
                "Clients register themselves",
                "Most AI clients expect it.",
                _YES,
            ),
            Field("oauthServer.dynamicRegistration.allowedGrantTypes", "Grants they may use", "One a line.", "list"),
            Field(
                "oauthServer.dynamicRegistration.requiresAuthentication",
                "Registration needs a token",
                "Then only programs of yours register.",
                _YES,
            ),
            Field(
                "oauthServer.dynamicRegistration.clientTtl",
                "Forget unused clients after",
                "Seconds; 0 for never.",
                "number",
            ),
        ),
        later=True,
    ),
    Section(
        "auth",
        "Single sign-on",
        "People sign in with an account they have elsewhere.",
        (
            Field("auth.betterAuth.enabled", "Use identity providers", "Besides passwords.", _YES),
            Field("auth.betterAuth.baseUrl", "Address of the hub for providers", "Empty for the hub's own."),
            Field("auth.betterAuth.basePath", "Path", "Where providers come back to."),
            Field("auth.betterAuth.trustedOrigins", "Trusted origins", "Pages that may begin a sign-in.", "list"),
            Field(
                "auth.betterAuth.disableAutoCreate", "Known people only", "Nobody becomes a user by signing in.", _YES
            ),
            Field(
                "auth.betterAuth.disablePasswordLogin",
                "No passwords",
                "Only identity providers. Make sure that one works first.",
                _YES,
            ),
            Field(
                "auth.betterAuth.providers.google.enabled",
                "Google",
                "Its client id and secret come from the environment.",
                _YES,
            ),
            Field(
                "auth.betterAuth.providers.github.enabled",
                "GitHub",
                "Its client id and secret come from the environment.",
                _YES,
            ),
            Field("auth.betterAuth.providers.oidc.enabled", "OpenID Connect", "Any other provider.", _YES),
            Field(
                "auth.betterAuth.providers.oidc.providerId",
                "OpenID Connect: name",
                "Part of the address it comes back to.",
            ),
            Field(
                "auth.betterAuth.providers.oidc.discoveryUrl",
                "OpenID Connect: discovery address",
                "Ends in .well-known/openid-configuration.",
            ),
            Field(
                "auth.betterAuth.providers.oidc.scopes",
                "OpenID Connect: scopes",
                "Empty for openid profile email.",
                "list",
            ),
            Field(
                "auth.betterAuth.providers.oidc.pkce", "OpenID Connect: PKCE", "On, unless the provider cannot.", _YES
            ),
            Field(
                "auth.betterAuth.providers.oidc.prompt",
                "OpenID Connect: prompt",
                "What the provider asks of people.",
                "choice",
                _PROMPTS,
            ),
        ),
        later=True,
    ),
    Section(
        "mcpRouter",
        "MCPRouter",
        "The cloud market that the registry can browse.",
        (
            Field("mcpRouter.apiKey", "Key", "From its own site; stored encrypted.", "secret"),
            Field("mcpRouter.baseUrl", "Address", "Of its API."),
            Field("mcpRouter.title", "Title", "How this hub introduces itself."),
            Field("mcpRouter.referer", "Referer", "The page it names as its own."),
        ),
    ),
)
