"""Impossible settings: the process does not start, and names the setting."""

import pytest

from embedded.settings import EmbeddedSettings
from social.infra.settings import Connections, StartError, load

URLS = {
    "MONGO_URL": "mongodb+srv://u:p@cluster.example.org/?tls=true",
    "REDIS_URL": "rediss://:p@redis:6379/0",
    "AMQP_URL": "amqps://u:p@rabbitmq/vhost",
}


@pytest.mark.parametrize("kind", [Connections, EmbeddedSettings])
@pytest.mark.parametrize("name", URLS)
def test_a_server_is_named_by_its_url(
    kind: type[Connections] | type[EmbeddedSettings], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each, url in URLS.items():
        monkeypatch.setenv(each, url)
    assert load(kind, "nowhere").mongo_url == URLS["MONGO_URL"]
    for wrong in ("localhost", "http://u:secret@localhost", name.lower()):
        monkeypatch.setenv(name, wrong)
        with pytest.raises(StartError, match=f"^{name} is wrong") as refused:
            load(kind, "nowhere")
        assert "secret" not in str(refused.value)
