"""Settings of the API process."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from social.infra.files.blobs import MediaSettings
from social.infra.redis.limits import PER_PERSON, Limit, Rate
from social.infra.security.origins import Origins
from social.infra.settings import ClientIpHeader, Connections, Networks, Port, listed
from social.infra.spellings import OrFile

SERVICES = (
    *("auth", "users", "search", "follows", "posts", "comments", "likes", "feeds", "notifications", "media"),
    "reports",
)


class RestSettings(MediaSettings):
    """Settings of a process that serves REST."""

    api_host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104 - behind nginx
    api_port: Port = Field(default=8080, description="port to listen on; PORT where it is not given")
    realtime_port: int = Field(
        default=8081,
        ge=0,
        le=65535,
        description="port where clients reach Socket.IO, as /docs/events shows it",
    )
    api_services: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=SERVICES, description=f"services to serve, of {','.join(SERVICES)}"
    )
    drain_s: float = Field(default=20, ge=0, le=600, description="seconds a stopping process gives its clients")
    trusted_proxies: Networks = Field(
        default=(), description="networks of the proxies whose headers are believed, e.g. 10.0.0.0/8,fd00::/8"
    )
    client_ip_header: ClientIpHeader = Field(
        default="X-Forwarded-For",
        description="header in which a trusted proxy gives the client's address; X-Real-IP for a proxy that lets "
        "clients write the other one",
    )

    origins: Origins | None = Field(
        default=None,
        description="origins whose pages and apps may read answers, comma-separated, e.g. capacitor://localhost; if "
        "not given, the pages of this port. `null` lets in pages without an origin (sandboxed frames, local files), "
        "`*` every page",
        examples=["http://localhost:8080,http://127.0.0.1:8080"],
    )
    rate_user: Limit = Field(
        default=PER_PERSON,
        description="requests and socket messages of a person, per seconds: at once or spread",
    )
    rate_ip: Limit = Field(default=Rate(1_200, 60), description="requests without a token, from one address")
    rate_login: Limit = Field(default=Rate(30, 60), description="login attempts from one address")
    rate_register: Limit = Field(default=Rate(60, 60), description="accounts opened from one address")
    rate_reset: Limit = Field(default=Rate(10, 600), description="e-mails requested from one address")

    picture_decoders: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="pictures read at once, each in 700 MB at most; by default 2 to 4, by the cores",
        examples=["2"],
    )
    rate_upload: Limit = Field(default=Rate(240, 3_600), description="uploads of a person")
    rate_picture: Limit = Field(default=Rate(6_000, 60), description="pictures read by signed URLs, from one address")

    public_reads: bool = Field(
        default=False,
        description="on: anybody reads public posts, profiles and their comments without a login, at /v1/public",
        examples=["on"],
    )
    rate_public: Limit = Field(
        default=Rate(600, 60), description="reads without a login, from one address, where PUBLIC_READS is on"
    )

    @property
    def allowed_origins(self) -> list[str]:
        """The origins of pages on this port, unless the setting names others."""
        return self.origins or [f"http://{host}:{self.api_port}" for host in ("localhost", "127.0.0.1")]

    @field_validator("api_services")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(SERVICES))
        if unknown or not value:
            raise ValueError(f"no such service: {', '.join(unknown)}; there are {', '.join(SERVICES)}")
        return value


class ApiSettings(Connections, RestSettings):
    """Settings of `python -m api`; the secret keys are needed only where it serves auth."""

    jwt_private_key: Annotated[SecretStr, OrFile(example="jwt.pem")] | None = Field(
        default=None, description="Ed25519 private key, PEM, that signs access tokens; for auth"
    )
    jwt_private_key_file: Path | None = Field(
        default=None,
        description="file with the private key that signs access tokens, followed when it is replaced; for auth",
    )
    refresh_key: Annotated[SecretStr, OrFile(example="refresh.key")] | None = Field(
        default=None,
        description="at least 32 random characters, or base64: and 32 random bytes, from which refresh tokens are "
        "derived; for auth",
    )
    refresh_key_file: Path | None = Field(
        default=None,
        description="file with at least 32 random bytes, from which refresh tokens are derived; for auth",
    )
    jwks: Annotated[str, OrFile("jwt_jwks", secret=False, example="jwks.json")] | None = Field(
        default=None,
        description="JWKS document of the keys whose tokens are accepted; by default the jwks.json beside the private "
        "key, or only that key",
    )
    jwt_jwks: Path | None = Field(
        default=None,
        description="file with the JWKS of the keys whose tokens are accepted, followed when it is replaced",
    )

    @field_validator("jwt_private_key", "refresh_key")
    @classmethod
    def _unneeded(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Drop the secrets of a process that does not serve auth."""
        return value if "auth" in info.data.get("api_services", ()) else None

    @field_validator("jwt_private_key_file", "refresh_key_file", "jwt_jwks")
    @classmethod
    def _needed(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        """Require both secrets of a process that serves auth, and only the public keys of others."""
        if "api_services" not in info.data:  # that setting is wrong itself
            return value
        signs = "auth" in info.data["api_services"]
        public = info.field_name == "jwt_jwks"
        other = info.data.get("jwks" if public else str(info.field_name).removesuffix("_file"))
        if value is None and other is None and signs != public:
            needed = "to serve auth" if signs else "to check tokens"
            raise PydanticCustomError("missing", "is needed {to}", {"to": needed})
        return value if signs or public else None

    @property
    def signs(self) -> bool:
        """Whether this process serves logins, and holds the keys for it."""
        return "auth" in self.api_services
